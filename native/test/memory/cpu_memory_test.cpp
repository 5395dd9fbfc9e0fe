#include "core/memory/cpu_memory.h"

#include <ATen/Functions.h>
#include <c10/core/CPUAllocator.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace {

/// Installs the pool for one test only, so that sanitizers see the memory of other tests.
struct PoolInstalled {
  c10::Allocator* const previous = c10::GetCPUAllocator();
  PoolInstalled() {
    static c10::Allocator* const pool = [] {
      sos::install_cpu_memory();  // once for the process
      return c10::GetCPUAllocator();
    }();
    c10::SetCPUAllocator(pool, UINT8_MAX);
  }
  ~PoolInstalled() { c10::SetCPUAllocator(previous, UINT8_MAX); }
};

uintptr_t address(const at::Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.data_ptr());
}

}  // namespace

TEST_CASE("CPU memory counts what is in use, gives separate blocks and takes them back") {
  const PoolInstalled pool;
  const auto before = sos::live_cpu_bytes();
  for (const int64_t bytes : {1, 64, 65, 128, 129, 192, 4000, 65536, 65537, 1 << 20}) {
    const auto x = at::empty({bytes}, at::kByte);
    CHECK(address(x) % 64 == 0);
    CHECK(sos::live_cpu_bytes() >= before + bytes);
    // No block, apart from small ones, is more than half larger than what was asked for.
    CHECK(sos::live_cpu_bytes() <= before + bytes + std::max<int64_t>(bytes / 2, 127) + 4096);
    std::vector<at::Tensor> others;
    for (int i = 0; i < 20; ++i) others.push_back(at::full({bytes}, i, at::kByte));
    for (int i = 0; i < 20; ++i) CHECK(others[i].eq(i).all().item<bool>());
  }
  CHECK(sos::live_cpu_bytes() == before);
  CHECK(at::empty({0}).numel() == 0);
}

TEST_CASE("CPU memory still works when the pool of small blocks is used up") {
  const PoolInstalled pool;
  const auto before = sos::live_cpu_bytes();
  {
    std::vector<at::Tensor> made;
    for (int i = 0; i < 5000; ++i) made.push_back(at::empty({64 * 1024}, at::kByte).fill_(i % 251));
    for (int64_t bytes = 1; bytes <= 64 * 1024; bytes *= 2) {
      for (int i = 0; i < 10; ++i) made.push_back(at::full({bytes}, i, at::kByte));
    }
    bool whole = true;
    for (int i = 0; i < 5000; ++i) whole = whole && made[i].eq(i % 251).all().item<bool>();
    CHECK(whole);
  }
  CHECK(sos::live_cpu_bytes() == before);
}

TEST_CASE("CPU memory counts what only a graph of gradients holds") {
  const PoolInstalled pool;
  const auto before = sos::live_cpu_bytes();
  {
    at::Tensor y = at::ones({1000}).set_requires_grad(true);
    y = y.exp();  // saved for the gradient
    y = y.sum();
    CHECK(sos::live_cpu_bytes() >= before + 2 * 4000);
  }
  CHECK(sos::live_cpu_bytes() == before);
}

TEST_CASE("threads free each other's blocks") {
  const PoolInstalled pool;
  const auto before = sos::live_cpu_bytes();
  std::vector<at::Tensor> made;
  for (int i = 0; i < 1000; ++i) made.push_back(at::empty({i % 300 + 1}));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&made, t] {
      for (size_t i = t; i < made.size(); i += 4) {
        made[i].reset();
        at::empty({static_cast<int64_t>(i) + 1});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(sos::live_cpu_bytes() == before);
}
