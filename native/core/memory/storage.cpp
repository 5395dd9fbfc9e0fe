#include "core/memory/storage.h"

#include <ATen/Functions.h>
#include <c10/core/StorageImpl.h>
#include <c10/core/impl/COW.h>

#include <mutex>

#include "core/base/error.h"

namespace sos {
namespace {

/// The bytes that a tensor needs from the beginning of its storage; 0 if it has no elements. Nothing if the
/// number is too large, or if an extent is negative.
std::optional<int64_t> needed_bytes(int64_t item, int64_t offset, at::IntArrayRef shape,
                                    at::IntArrayRef strides) {
  int64_t last = offset;
  int64_t count = 1;
  bool overflow = offset < 0 || shape.size() != strides.size();
  for (size_t i = 0; !overflow && i < shape.size(); ++i) {
    int64_t span = 0;
    overflow = shape[i] < 0 || strides[i] < 0 || __builtin_mul_overflow(count, shape[i], &count) ||
               (shape[i] > 0 && (__builtin_mul_overflow(shape[i] - 1, strides[i], &span) ||
                                 __builtin_add_overflow(last, span, &last)));
  }
  int64_t bytes = 0;
  overflow = overflow || __builtin_add_overflow(last, int64_t{1}, &last) ||
             __builtin_mul_overflow(last, item, &bytes) || __builtin_mul_overflow(count, item, &count);
  if (overflow) return std::nullopt;
  return count == 0 ? 0 : bytes;
}

}  // namespace

bool lies_within_storage(const at::Tensor& tensor) {
  const auto needed = needed_bytes(static_cast<int64_t>(tensor.itemsize()), tensor.storage_offset(),
                                   tensor.sizes(), tensor.strides());
  return needed && *needed <= static_cast<int64_t>(tensor.storage().nbytes());
}

StorageView storage_of(const at::Tensor& tensor) {
  if (tensor.layout() != at::kStrided || !tensor.has_storage() || tensor.is_quantized()) {
    throw Error("ERR_LAYOUT", "expected a dense tensor but received one that is " +
                                  std::string(tensor.is_quantized() ? "quantised" : "sparse or has no data"));
  }
  const auto& storage = tensor.storage();
  auto bytes = at::empty({0}, tensor.options().dtype(at::kByte).requires_grad(false));
  bytes.set_(storage, 0, {static_cast<int64_t>(storage.nbytes())}, {1});
  return {reinterpret_cast<uintptr_t>(storage.unsafeGetStorageImpl()), bytes, tensor.storage_offset(),
          tensor.strides().vec()};
}

at::Tensor tensor_over(const at::Tensor& bytes, at::ScalarType dtype, int64_t offset, at::IntArrayRef shape,
                       at::IntArrayRef strides) {
  // This is checked here, since set_() would grow a storage that is too small.
  const auto needed = needed_bytes(static_cast<int64_t>(c10::elementSize(dtype)), offset, shape, strides);
  if (!needed || *needed > static_cast<int64_t>(bytes.storage().nbytes())) {
    throw Error("ERR_DAMAGED_FILE", "a tensor does not lie within its storage of " +
                                        std::to_string(bytes.storage().nbytes()) + " bytes");
  }
  auto tensor = at::empty({0}, bytes.options().dtype(dtype));
  return tensor.set_(bytes.storage(), offset, shape, strides);
}

namespace {

using Block = std::shared_ptr<at::DataPtr>;

void let_go(void* block) {
  delete static_cast<Block*>(block);
}

}  // namespace

std::shared_ptr<const void> keep_in_place(const c10::Storage& storage) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  auto& impl = *storage.unsafeGetStorageImpl();
  void* data = impl.mutable_data();  // copies memory that is copied on write, so that no later write does
  impl.set_resizable(false);
  // libtorch shares memory for a copy on write only if it still is as an allocator gave it. So it becomes
  // something else, which several owners can hold.
  if (c10::impl::cow::has_simple_data_ptr(impl)) {
    auto holder = std::make_unique<Block>(std::make_shared<at::DataPtr>());
    auto& held = impl._mutable_data_ptr_no_checks();
    **holder = std::move(held);
    const auto device = (*holder)->device();
    held = at::DataPtr(data, holder.release(), &let_go, device);
  }
  if (impl.data_ptr().get_deleter() == &let_go) return *static_cast<Block*>(impl.data_ptr().get_context());
  return std::make_shared<c10::Storage>(storage);
}

at::Tensor bytes_over(at::DataPtr data, size_t length) {
  const c10::Storage storage(c10::Storage::use_byte_size_t(), static_cast<int64_t>(length), std::move(data),
                             nullptr, false);
  return at::empty({0}, at::kByte).set_(storage, 0, {static_cast<int64_t>(length)}, {1});
}

at::Tensor row_major(const at::Tensor& tensor) {
  // Lazy zeros have no memory, so real ones are made.
  const auto dense = tensor._is_zerotensor() ? at::zeros(tensor.sizes(), tensor.options()) : tensor.detach();
  return dense.to(at::kCPU).contiguous().resolve_conj().resolve_neg();
}

}  // namespace sos
