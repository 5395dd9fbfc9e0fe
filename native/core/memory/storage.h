#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace sos {

/// Where a dense tensor's elements lie: `bytes` is its whole storage, which tensors may share.
struct StorageView {
  uintptr_t id;      ///< equal for tensors of one storage, as long as one of them lives
  at::Tensor bytes;  ///< uint8, on the tensor's device; shares the memory
  int64_t offset;    ///< of the first element, in elements
  std::vector<int64_t> strides;
};

/// Throws Error `ERR_LAYOUT` where the tensor is sparse or otherwise without one storage.
StorageView storage_of(const at::Tensor& tensor);

/// A tensor over the storage of `bytes`. Throws Error `ERR_DAMAGED_FILE` where it would not lie within.
at::Tensor tensor_over(const at::Tensor& bytes, at::ScalarType dtype, int64_t offset, at::IntArrayRef shape,
                       at::IntArrayRef strides);

/// Whether all of a dense tensor's elements are in its storage. libtorch leaves others behind where a resize
/// fails.
bool lies_within_storage(const at::Tensor& tensor);

/// Keeps the memory of a storage on the CPU where it is for good, as something outside of libtorch looks into
/// it: from here on the storage can neither be resized nor copied on write. The memory lives as long as what
/// is returned, whatever becomes of the storage. Any thread may call it.
std::shared_ptr<const void> keep_in_place(const c10::Storage& storage);

/// A uint8 tensor that owns `data`.
at::Tensor bytes_over(at::DataPtr data, size_t length);

/// The same elements on the CPU, contiguous, without lazy conjugation or negation: what files hold.
at::Tensor row_major(const at::Tensor& tensor);

}  // namespace sos
