#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace sos {

/// Keeps the shapes of tensors that a call may change, in case the call fails. libtorch's resize_ changes the
/// shape before it finds that the memory cannot grow. The tensor that it leaves reaches beyond its memory,
/// and reading it may end the process.
class KeptShapes {
 public:
  explicit KeptShapes(std::vector<at::Tensor> tensors);

  /// Gives the tensors that do not lie within their memory their shapes and memory back.
  void restore() const;

 private:
  struct Kept {
    at::Tensor tensor;
    c10::Storage storage;
    std::vector<int64_t> sizes;
    std::vector<int64_t> strides;
    int64_t offset;
  };
  std::vector<Kept> kept_;
};

}  // namespace sos
