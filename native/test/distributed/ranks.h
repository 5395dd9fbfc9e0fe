#pragma once
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/error.h"
#include "core/distributed/process_group.h"

namespace sos::test {

using Group = std::shared_ptr<sos::ProcessGroup>;

/// Runs `body` as each rank of a group, on threads of this process. When all of them have ended, it throws
/// what the first failed rank threw. Without a loopback interface, gloo throws.
inline void run_ranks(int size, const std::function<void(const Group&)>& body,
                      const std::shared_ptr<sos::Interrupt>& interrupt = std::make_shared<sos::Interrupt>()) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> failures(size);
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const sos::Membership membership{"gloo", rank, size, std::chrono::milliseconds(20'000)};
        body(std::make_shared<sos::ProcessGroup>(store, membership, interrupt));
      } catch (...) {
        failures[rank] = std::current_exception();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

inline std::string code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const sos::Error& error) {
    return error.code;
  }
  return "";
}

}  // namespace sos::test
