#include "core/context/modes.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/SDPBackend.h>
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <thread>

namespace {

constexpr uint32_t kGrad = 1, kInference = 2, kNoCache = 4, kCpuHalf = 1 << 3, kCpuBFloat16 = 2 << 3;

bool cpu_autocast() {
  return at::autocast::is_autocast_enabled(at::kCPU);
}

}  // namespace

TEST_CASE("a thread begins with gradients and no other mode") {
  const sos::ModeGuard guard({});
  CHECK(c10::GradMode::is_enabled());
  CHECK_FALSE(c10::InferenceMode::is_enabled());
  CHECK_FALSE(cpu_autocast());
}

TEST_CASE("modes hold while their guard lives, and inner guards replace them") {
  const auto x = at::ones({2, 2});
  {
    const sos::ModeGuard outer({kInference | kCpuBFloat16});
    CHECK(c10::InferenceMode::is_enabled());
    CHECK_FALSE(c10::GradMode::is_enabled());
    CHECK((at::matmul(x, x).scalar_type() == at::kBFloat16));
    {
      const sos::ModeGuard inner({kGrad});
      CHECK_FALSE(c10::InferenceMode::is_enabled());
      CHECK(c10::GradMode::is_enabled());
      CHECK((at::matmul(x, x).scalar_type() == at::kFloat));
      const sos::ModeGuard half({kCpuHalf | kNoCache});
      CHECK_FALSE(c10::GradMode::is_enabled());
      CHECK_FALSE(at::autocast::is_autocast_cache_enabled());
      CHECK((at::matmul(x, x).scalar_type() == at::kHalf));
    }
    CHECK(c10::InferenceMode::is_enabled());
    CHECK(at::autocast::is_autocast_cache_enabled());
    CHECK(at::matmul(x, x).is_inference());
    CHECK((at::matmul(x, x).scalar_type() == at::kBFloat16));
  }
  CHECK(c10::GradMode::is_enabled());
  CHECK_FALSE(c10::InferenceMode::is_enabled());
  CHECK_FALSE(cpu_autocast());
  CHECK((at::autocast::get_autocast_dtype(at::kCPU) == at::kBFloat16));
}

TEST_CASE("a cast weight does not outlive its call, since a write to the weight would make it out of date") {
  const auto weight = at::ones({1, 1}).set_requires_grad(true), x = at::ones({1, 1});
  for (const double value : {1.0, 5.0}) {
    weight.detach().fill_(value);
    const sos::ModeGuard guard({kGrad | kCpuBFloat16});
    CHECK(at::matmul(x, weight).item<double>() == value);
  }
}

TEST_CASE(
    "attention keeps to the kernels that a mode leaves, on this thread alone, and the process's switches "
    "stay") {
  constexpr uint32_t kWithoutFlash = 1u << (11 + static_cast<int>(at::SDPBackend::flash_attention));
  // On the CPU, only results of the math kernel have second derivatives.
  const auto differentiates_twice = [] {
    const auto q = at::ones({1, 1, 2, 8}).set_requires_grad(true);
    const auto out = at::scaled_dot_product_attention(q, q, q).square().sum();
    const auto first = torch::autograd::grad({out}, {q}, {}, /*retain_graph=*/true, /*create_graph=*/true);
    try {
      torch::autograd::grad({first[0].square().sum()}, {q});
      return true;
    } catch (const c10::Error&) {
      return false;
    }
  };
  CHECK_FALSE(differentiates_twice());
  {
    const sos::ModeGuard guard({kGrad | kWithoutFlash});
    CHECK(differentiates_twice());
    CHECK_FALSE(cpu_autocast());
    bool elsewhere = true;
    std::thread([&] { elsewhere = differentiates_twice(); }).join();
    CHECK_FALSE(elsewhere);
    const sos::ModeGuard inner({kGrad});
    CHECK_FALSE(differentiates_twice());
  }
  CHECK_FALSE(differentiates_twice());
  CHECK(at::globalContext().userEnabledFlashSDP());
}
