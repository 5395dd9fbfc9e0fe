#pragma once
#include <cstdint>
#include <functional>
#include <memory>

namespace sos {

/// While it lives, scaled_dot_product_attention takes none of the `excluded` kernels on this thread, nor in
/// the tasks that the thread forks. Bit i of `excluded` stands for kernel i of at::SDPBackend.
///
/// libtorch itself has switches for the whole process only, which would act on every thread. So the operator
/// is registered again. It sets the switches for its own choice of a kernel, under a lock.
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

/// Runs `body`, which reads or writes libtorch's own switches of the kernels, while no operator has set them
/// for itself.
void with_attention_switches(const std::function<void()>& body);

}  // namespace sos
