#pragma once
#include <cstdint>
#include <functional>
#include <memory>

namespace sos {

/// Keeps scaled_dot_product_attention on this thread from some of its kernels while it lives; the tasks that
/// the thread forks know of it too. Bit i of `excluded` stands for kernel i of at::SDPBackend.
///
/// libtorch itself knows switches of the whole process alone, which would be every thread's. So the operator
/// is registered again, and sets them for its own choice, under a lock.
class AttentionGuard {
 public:
  explicit AttentionGuard(uint8_t excluded);
  ~AttentionGuard();
  AttentionGuard(const AttentionGuard&) = delete;
  AttentionGuard& operator=(const AttentionGuard&) = delete;

 private:
  struct Entered;
  std::unique_ptr<Entered> entered_;
};

/// Reads or writes libtorch's own switches of the kernels, while no operator has them set for itself.
void with_attention_switches(const std::function<void()>& body);

}  // namespace sos
