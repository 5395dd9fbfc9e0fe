#include <ATen/Functions.h>

#include <cstring>

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/base/dtype.h"
#include "core/base/error.h"
#include "core/device/device.h"
#include "core/memory/storage.h"

namespace sos {
namespace {

struct Bytes {
  uint8_t* data;
  size_t length;
};

/// The memory of a typed array. It may belong to a SharedArrayBuffer, which node-addon-api does not take.
Bytes bytes_of(const Napi::Value& value) {
  napi_typedarray_type type = napi_uint8_array;
  size_t elements = 0;
  size_t offset = 0;
  void* data = nullptr;
  napi_value buffer = nullptr;
  NAPI_THROW_IF_FAILED(
      value.Env(), napi_get_typedarray_info(value.Env(), value, &type, &elements, &data, &buffer, &offset),
      Bytes());
  return {static_cast<uint8_t*>(data), value.As<Napi::TypedArray>().ByteLength()};
}

/// How many bytes a shape takes; nothing if an extent is negative or the number is too large.
std::optional<size_t> bytes_of(at::IntArrayRef shape, size_t bytes) {
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<size_t>(extent), &bytes)) return std::nullopt;
  }
  return bytes;
}

/// (values: TypedArray, dtype of the values, shape: number[], device, modes, dtype) → handle. Copies the
/// values, then converts them. The array must have exactly the bytes of the shape in the dtype of its values.
Napi::Value tensor_from_typed_array(const Napi::CallbackInfo& info) {
  const auto bytes = bytes_of(info[0]);
  const auto stored = expect_dtype(info[1].As<Napi::String>());
  const auto shape = to_ints(info[2]);
  const auto device = expect_device(info[3].As<Napi::String>());
  const auto dtype = info[5].IsString() ? expect_dtype(info[5].As<Napi::String>()) : stored;
  const ModeGuard guard(to_modes(info[4]));
  auto tensor = at::empty(shape, at::TensorOptions().dtype(stored));
  if (tensor.nbytes() != bytes.length) {
    throw Error("ERR_SHAPE", "expected " + std::to_string(tensor.nbytes()) +
                                 " bytes for this shape and dtype but received " +
                                 std::to_string(bytes.length));
  }
  if (bytes.length != 0) std::memcpy(tensor.mutable_data_ptr(), bytes.data, bytes.length);
  return wrap_tensor(info.Env(), tensor.to(at::TensorOptions().device(device).dtype(dtype)));
}

/// (bytes: TypedArray, dtype, shape: number[], modes) → handle that uses the memory in place and keeps it
/// alive
Napi::Value tensor_from_buffer(const Napi::CallbackInfo& info) {
  const auto bytes = bytes_of(info[0]);
  const auto dtype = expect_dtype(info[1].As<Napi::String>());
  const auto shape = to_ints(info[2]);
  const ModeGuard guard(to_modes(info[3]));
  const size_t size = c10::elementSize(dtype);
  if (bytes.length == 0) return wrap_tensor(info.Env(), at::empty(shape, at::TensorOptions().dtype(dtype)));
  if (reinterpret_cast<uintptr_t>(bytes.data) % size != 0) {
    throw Error("ERR_ALIGNMENT",
                "expected memory at a multiple of " + std::to_string(size) + " bytes for " +
                    dtype_name(dtype) +
                    " but it is not; copy it first, as in buffer.slice(…) of an ArrayBuffer");
  }
  const auto needed = bytes_of(shape, size);
  if (!needed || *needed > bytes.length) {
    throw Error("ERR_SHAPE", "expected at least the bytes of this shape and dtype but received " +
                                 std::to_string(bytes.length));
  }
  return wrap_tensor(info.Env(),
                     EnvData::of(info.Env()).pins->pin(info[0], bytes.data, bytes.length, shape, dtype));
}

/// (handle, dtype | undefined) → ArrayBuffer with a copy of the values in row-major order, converted to the
/// dtype. It waits for the device, unless that is the CPU.
Napi::Value tensor_to_array_buffer(const Napi::CallbackInfo& info) {
  auto tensor = unwrap_tensor(info[0]).detach();
  lane_of(info).refuse_read(tensor, "toTypedArray()");
  if (tensor._is_zerotensor()) tensor = at::zeros(tensor.sizes(), tensor.options());
  if (tensor.layout() != at::kStrided) tensor = tensor.to_dense();
  if (tensor.is_quantized()) tensor = info[1].IsString() ? tensor.dequantize() : tensor.int_repr();
  if (info[1].IsString()) tensor = tensor.to(expect_dtype(info[1].As<Napi::String>()));
  tensor = tensor.to(at::kCPU).contiguous().resolve_conj().resolve_neg();
  auto buffer = Napi::ArrayBuffer::New(info.Env(), tensor.nbytes());
  if (tensor.nbytes() != 0) std::memcpy(buffer.Data(), tensor.const_data_ptr(), tensor.nbytes());
  return buffer;
}

/// (handle) → ArrayBuffer over the tensor's own memory, which it keeps alive
Napi::Value tensor_as_array_buffer(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  const auto refuse = [](const std::string& what) {
    throw Error("ERR_NOT_VIEWABLE",
                "expected a contiguous tensor on the CPU that needs no gradient but this one " + what +
                    "; toTypedArray() copies the elements of any");
  };
  if (tensor.layout() != at::kStrided) refuse("is sparse");
  if (!tensor.is_cpu()) refuse("is on " + tensor.device().str());
  if (!tensor.is_contiguous()) refuse("is not contiguous: contiguous() makes one that is");
  if (tensor.is_conj() || tensor.is_neg()) refuse("is a conjugate: resolve_conj() makes one that is not");
  if (tensor.requires_grad()) refuse("needs one: detach() shares its memory");
  if (tensor.nbytes() == 0) return Napi::ArrayBuffer::New(info.Env(), 0);
  const auto& data = EnvData::of(info.Env());
  data.lane->refuse_read(tensor, "asTypedArray()");
  const auto& storage = tensor.storage();
  if (tensor._is_zerotensor() || !lies_within_storage(tensor))
    refuse("has no memory of its own: clone() gives it some");
  if (data.pins->is_foreign(storage)) refuse("is on the memory of another thread's JavaScript");
  auto kept = std::make_unique<std::shared_ptr<const void>>(keep_in_place(storage));
  napi_value buffer = nullptr;
  const auto status = napi_create_external_arraybuffer(
      info.Env(), tensor.mutable_data_ptr(), tensor.nbytes(),
      [](node_api_basic_env, void*, void* hint) { delete static_cast<std::shared_ptr<const void>*>(hint); },
      kept.get(), &buffer);
  if (status == napi_no_external_buffers_allowed) {
    throw Error("ERR_NOT_VIEWABLE",
                "this runtime lets no ArrayBuffer use memory of others; toTypedArray() copies the elements");
  }
  NAPI_THROW_IF_FAILED(info.Env(), status, Napi::Value());
  kept.release();
  return {info.Env(), buffer};
}

}  // namespace

void export_buffer_functions(Napi::Env env, Napi::Object exports) {
  define<tensor_from_typed_array>(env, exports, "tensorFromTypedArray");
  define<tensor_from_buffer>(env, exports, "tensorFromBuffer");
  define<tensor_to_array_buffer>(env, exports, "tensorToArrayBuffer");
  define<tensor_as_array_buffer>(env, exports, "tensorAsArrayBuffer");
}

}  // namespace sos
