#include "core/memory/kept_shapes.h"

#include "core/memory/storage.h"

namespace sos {

KeptShapes::KeptShapes(std::vector<at::Tensor> tensors) {
  for (auto& tensor : tensors) {
    if (!tensor.defined() || tensor.layout() != at::kStrided || !tensor.has_storage()) continue;
    kept_.push_back(
        {tensor, tensor.storage(), tensor.sizes().vec(), tensor.strides().vec(), tensor.storage_offset()});
  }
}

void KeptShapes::restore() const {
  for (const auto& [tensor, storage, sizes, strides, offset] : kept_) {
    if (lies_within_storage(tensor)) continue;
    auto& impl = *tensor.unsafeGetTensorImpl();
    const bool allowed = impl.allow_tensor_metadata_change();
    impl.set_allow_tensor_metadata_change(true);
    impl.set_storage_keep_dtype(storage);
    impl.set_sizes_and_strides(sizes, strides, offset);
    impl.set_allow_tensor_metadata_change(allowed);
  }
}

}  // namespace sos
