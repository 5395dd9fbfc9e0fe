#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace sos {

/// Where the elements of a dense tensor lie. `bytes` is its whole storage, which other tensors may share.
struct StorageView {
  uintptr_t id;      ///< equal for all tensors of one storage, as long as one of them lives
  at::Tensor bytes;  ///< uint8, on the tensor's device; it shares the memory
  int64_t offset;    ///< the position of the first element, in elements
  std::vector<int64_t> strides;
};

/// Throws Error `ERR_LAYOUT` if the tensor is sparse or for another reason has no single storage.
StorageView storage_of(const at::Tensor& tensor);

/// A tensor over the storage of `bytes`. Throws Error `ERR_DAMAGED_FILE` if it would not lie within that
/// storage.
at::Tensor tensor_over(const at::Tensor& bytes, at::ScalarType dtype, int64_t offset, at::IntArrayRef shape,
                       at::IntArrayRef strides);

/// Whether all elements of a dense tensor are in its storage. libtorch leaves a tensor for which that is not
/// so when a resize fails.
bool lies_within_storage(const at::Tensor& tensor);

/// Keeps the memory of a storage on the CPU where it is for good, since something outside of libtorch looks
/// at it. From then on the storage can neither be resized nor copied on write. The memory lives as long as
/// what is returned, whatever happens to the storage. It may be called on any thread.
std::shared_ptr<const void> keep_in_place(const c10::Storage& storage);

/// A uint8 tensor that owns `data`.
at::Tensor bytes_over(at::DataPtr data, size_t length);

/// The same elements on the CPU, contiguous, without lazy conjugation or negation. Files hold elements in
/// this form.
at::Tensor row_major(const at::Tensor& tensor);

}  // namespace sos
