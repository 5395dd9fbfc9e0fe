#include "core/context/attention.h"

#include <ATen/Context.h>
#include <ATen/ops/scaled_dot_product_attention_native.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/library.h>

#include <array>
#include <mutex>
#include <optional>
#include <shared_mutex>

namespace sos {
namespace {

// The kind of debug information that libtorch hands on to the tasks that a thread forks, and to backwards.
c10::DebugInfoKind slot() {
  return c10::DebugInfoKind::INFERENCE_CONTEXT;
}

struct Excluded : c10::DebugInfoBase {
  explicit Excluded(uint8_t kernels) : kernels(kernels) {}
  const uint8_t kernels;
};

uint8_t excluded_here() {
  const auto* found = dynamic_cast<Excluded*>(c10::ThreadLocalDebugInfo::get(slot()));
  return found == nullptr ? 0 : found->kernels;
}

std::shared_mutex& switches_mutex() {
  static std::shared_mutex mutex;
  return mutex;
}

struct Switch {
  at::SDPBackend kernel;
  bool (at::Context::*get)() const;
  void (at::Context::*set)(bool);
};

constexpr std::array<Switch, 4> kSwitches = {{
    {at::SDPBackend::math, &at::Context::userEnabledMathSDP, &at::Context::setSDPUseMath},
    {at::SDPBackend::flash_attention, &at::Context::userEnabledFlashSDP, &at::Context::setSDPUseFlash},
    {at::SDPBackend::efficient_attention, &at::Context::userEnabledMemEfficientSDP,
     &at::Context::setSDPUseMemEfficient},
    {at::SDPBackend::cudnn_attention, &at::Context::userEnabledCuDNNSDP, &at::Context::setSDPUseCuDNN},
}};

/// While it lives, these kernels are switched off for the whole process.
class Off {
 public:
  explicit Off(uint8_t kernels) {
    auto& context = at::globalContext();
    for (size_t i = 0; i < kSwitches.size(); ++i) {
      before_[i] = (context.*kSwitches[i].get)();
      const bool excluded = (kernels >> static_cast<int>(kSwitches[i].kernel) & 1) != 0;
      (context.*kSwitches[i].set)(before_[i] && !excluded);
    }
  }
  ~Off() {
    for (size_t i = 0; i < kSwitches.size(); ++i) (at::globalContext().*kSwitches[i].set)(before_[i]);
  }

 private:
  std::array<bool, kSwitches.size()> before_{};
};

at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const std::optional<at::Tensor>& mask, double dropout, bool causal,
                     std::optional<double> scale, bool grouped) {
  const auto compute = [&] {
    return at::native::scaled_dot_product_attention(query, key, value, mask, dropout, causal, scale, grouped);
  };
  const uint8_t excluded = excluded_here();
  if (excluded == 0) {
    const std::shared_lock<std::shared_mutex> lock(switches_mutex());
    return compute();
  }
  const std::unique_lock<std::shared_mutex> lock(switches_mutex());
  const Off off(excluded);
  return compute();
}

void register_attention(torch::Library& library) {
  library.impl("scaled_dot_product_attention", TORCH_FN(attention));
}

// libtorch's own registration is for all devices together, and these take precedence over it.
TORCH_LIBRARY_IMPL(aten, CPU, library) {
  register_attention(library);
}
TORCH_LIBRARY_IMPL(aten, AutogradCPU, library) {
  register_attention(library);
}
TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  register_attention(library);
}
TORCH_LIBRARY_IMPL(aten, AutogradCUDA, library) {
  register_attention(library);
}

}  // namespace

struct AttentionGuard::Entered {
  c10::DebugInfoGuard guard;
};

AttentionGuard::AttentionGuard(uint8_t excluded)
    : entered_(new Entered{c10::DebugInfoGuard(slot(), std::make_shared<Excluded>(excluded))}) {}

AttentionGuard::~AttentionGuard() = default;

void with_attention_switches(const std::function<void()>& body) {
  const std::unique_lock<std::shared_mutex> lock(switches_mutex());
  body();
}

}  // namespace sos
