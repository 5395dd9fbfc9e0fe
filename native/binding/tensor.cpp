#include <ATen/Functions.h>

#include <cstring>

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/error.h"

namespace sos {
namespace {

/// (values: TypedArray, dtype: string, shape: number[], device: string, modes) → handle; copies the values.
/// The element size of the array must be the dtype's.
Napi::Value tensor_from_typed_array(const Napi::CallbackInfo& info) {
  const auto array = info[0].As<Napi::TypedArray>();
  const auto dtype = expect_dtype(info[1].As<Napi::String>());
  const auto shape = to_ints(info[2]);
  const auto device = expect_device(info[3].As<Napi::String>());
  const ModeGuard guard(to_modes(info[4]));
  auto tensor = at::empty(shape, at::TensorOptions().dtype(dtype));
  if (tensor.nbytes() != array.ByteLength()) {
    throw Error("ERR_SHAPE", "expected " + std::to_string(tensor.nbytes()) +
                                 " bytes for this shape and dtype but received " +
                                 std::to_string(array.ByteLength()));
  }
  const auto* bytes = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  if (tensor.nbytes() != 0) std::memcpy(tensor.data_ptr(), bytes, tensor.nbytes());
  return wrap_tensor(info.Env(), device.is_cpu() ? tensor : tensor.to(device));
}

/// (handle) → ArrayBuffer with a copy of the values in row-major order. Waits for the device if it is no CPU.
Napi::Value tensor_to_array_buffer(const Napi::CallbackInfo& info) {
  const auto tensor = unwrap_tensor(info[0]).detach().to(at::kCPU).contiguous().resolve_conj().resolve_neg();
  auto buffer = Napi::ArrayBuffer::New(info.Env(), tensor.nbytes());
  if (tensor.nbytes() != 0) std::memcpy(buffer.Data(), tensor.const_data_ptr(), tensor.nbytes());
  return buffer;
}

Napi::Value tensor_shape(const Napi::CallbackInfo& info) {
  return to_js_ints(info.Env(), unwrap_tensor(info[0]).sizes());
}

Napi::Value tensor_dtype(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), dtype_name(unwrap_tensor(info[0]).scalar_type()));
}

Napi::Value tensor_device(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), unwrap_tensor(info[0]).device().str());
}

Napi::Value tensor_requires_grad(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), unwrap_tensor(info[0]).requires_grad());
}

/// (handle, value, modes)
Napi::Value tensor_set_requires_grad(const Napi::CallbackInfo& info) {
  const ModeGuard guard(to_modes(info[2]));
  unwrap_tensor(info[0]).set_requires_grad(info[1].As<Napi::Boolean>());
  return info.Env().Undefined();
}

/// (handle) → the only element, as number, bigint or boolean
Napi::Value tensor_item(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  if (tensor.numel() != 1) {
    throw Error("ERR_SHAPE",
                "expected a tensor with one element but received one with " + std::to_string(tensor.numel()));
  }
  return to_js(info.Env(), c10::IValue(tensor.item()));
}

Napi::Value dispose_handle(const Napi::CallbackInfo& info) {
  dispose(info.Env(), unwrap_handle(info[0]));
  return info.Env().Undefined();
}

Napi::Value is_disposed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), std::holds_alternative<std::monostate>(unwrap_handle(info[0]).held));
}

/// () → { tensors, bytes }: the handles of this environment that live, and the bytes of their elements
Napi::Value memory_stats(const Napi::CallbackInfo& info) {
  const auto& data = EnvData::of(info.Env());
  auto stats = Napi::Object::New(info.Env());
  stats.Set("tensors", Napi::Number::New(info.Env(), static_cast<double>(data.live_tensors)));
  stats.Set("bytes", Napi::Number::New(info.Env(), static_cast<double>(data.live_bytes)));
  return stats;
}

}  // namespace

void export_tensor_functions(Napi::Env env, Napi::Object exports) {
  define<tensor_from_typed_array>(env, exports, "tensorFromTypedArray");
  define<tensor_to_array_buffer>(env, exports, "tensorToArrayBuffer");
  define<tensor_shape>(env, exports, "tensorShape");
  define<tensor_dtype>(env, exports, "tensorDtype");
  define<tensor_device>(env, exports, "tensorDevice");
  define<tensor_requires_grad>(env, exports, "tensorRequiresGrad");
  define<tensor_set_requires_grad>(env, exports, "tensorSetRequiresGrad");
  define<tensor_item>(env, exports, "tensorItem");
  define<dispose_handle>(env, exports, "dispose");
  define<is_disposed>(env, exports, "isDisposed");
  define<memory_stats>(env, exports, "memoryStats");
}

}  // namespace sos
