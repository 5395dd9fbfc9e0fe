#include <torch/csrc/autograd/function.h>

#include <string>

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/base/dtype.h"
#include "core/base/error.h"
#include "core/device/device.h"
#include "core/memory/cpu_memory.h"
#include "core/operators/indexing.h"

namespace sos {
namespace {

void refuse_read(const Napi::CallbackInfo& info, const char* what) {
  lane_of(info).refuse_read(unwrap_tensor(info[0]), what);
}

const at::Tensor& tensor_to_look_at(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  lane_of(info).refuse_look(tensor, "its shape");
  return tensor;
}

Napi::Value tensor_shape(const Napi::CallbackInfo& info) {
  return to_js_ints(info.Env(), tensor_to_look_at(info).sizes());
}

Napi::Value tensor_strides(const Napi::CallbackInfo& info) {
  return to_js_ints(info.Env(), tensor_to_look_at(info).strides());
}

Napi::Value tensor_dim(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(unwrap_tensor(info[0]).dim()));
}

Napi::Value tensor_layout(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), layout_name(unwrap_tensor(info[0]).layout()));
}

/// (handle) → the position of its dtype in dtypeNames(). A number costs less than a text.
Napi::Value tensor_dtype(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(unwrap_tensor(info[0]).scalar_type()));
}

Napi::Value list_dtype_names(const Napi::CallbackInfo& info) {
  return to_js_strings(info.Env(), dtype_names());
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
  unwrap_tensor(info[0]).requires_grad_(info[1].As<Napi::Boolean>());
  return info.Env().Undefined();
}

/// (handle, handle) → whether both hold the same tensor
Napi::Value is_same_tensor(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), unwrap_tensor(info[0]).is_same(unwrap_tensor(info[1])));
}

Napi::Value tensor_is_leaf(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), unwrap_tensor(info[0]).is_leaf());
}

/// (handle) → the name of the function that made the tensor, such as AddBackward0, or null
Napi::Value tensor_grad_fn(const Napi::CallbackInfo& info) {
  const auto& function = unwrap_tensor(info[0]).grad_fn();
  if (function == nullptr) return info.Env().Null();
  const auto name = function->name();
  const auto colon = name.rfind(':');
  return Napi::String::New(info.Env(), colon == std::string::npos ? name : name.substr(colon + 1));
}

/// (handle, modes, device | undefined, dtype | undefined, non-blocking, copy, memory format | undefined)
/// → handle
Napi::Value tensor_to(const Napi::CallbackInfo& info) {
  refuse_read(info, "to()");
  const ModeGuard guard(to_modes(info[1]));
  at::TensorOptions options;
  if (info[2].IsString()) options = options.device(expect_device(info[2].As<Napi::String>()));
  if (info[3].IsString()) options = options.dtype(expect_dtype(info[3].As<Napi::String>()));
  std::optional<at::MemoryFormat> format;
  if (info[6].IsString()) format = expect_memory_format(info[6].As<Napi::String>());
  return wrap_tensor(info.Env(), unwrap_tensor(info[0]).to(options, info[4].As<Napi::Boolean>(),
                                                           info[5].As<Napi::Boolean>(), format));
}

/// (handle, modes, indices) → handle
Napi::Value tensor_get_item(const Napi::CallbackInfo& info) {
  refuse_read(info, "at()");
  const ModeGuard guard(to_modes(info[1]));
  const auto& tensor = unwrap_tensor(info[0]);
  return wrap_tensor(info.Env(), get_item(tensor, to_arguments(info[2], info.Env().Undefined()).positional));
}

/// (handle, modes, indices, value: handle or number) → undefined
Napi::Value tensor_set_item(const Napi::CallbackInfo& info) {
  const ModeGuard guard(to_modes(info[1]));
  const auto& tensor = unwrap_tensor(info[0]);
  const Lane& lane = lane_of(info);
  const auto indices = to_arguments(info[2], info.Env().Undefined()).positional;
  const auto value = to_ivalue(info[3]);
  lane.refuse_write(tensor, "setAt");
  if (value.isTensor()) lane.refuse_read(value.toTensor(), "setAt");
  set_item(tensor, indices, value);
  return info.Env().Undefined();
}

/// (handle) → the only element: a number, bigint or boolean, or the two parts of a complex number
Napi::Value tensor_item(const Napi::CallbackInfo& info) {
  refuse_read(info, "item()");
  const auto& tensor = unwrap_tensor(info[0]);
  if (tensor.numel() != 1) {
    throw Error("ERR_SHAPE",
                "expected a tensor with one element but received one with " + std::to_string(tensor.numel()));
  }
  return to_js(info.Env(), c10::IValue(tensor.item()));
}

/// () → a handle that holds nothing
Napi::Value disposed_handle(const Napi::CallbackInfo& info) {
  const auto handle = wrap_tensor(info.Env(), at::empty({0}));
  dispose(info.Env(), unwrap_handle(handle));
  return handle;
}

Napi::Value dispose_handle(const Napi::CallbackInfo& info) {
  dispose(info.Env(), unwrap_handle(info[0]));
  return info.Env().Undefined();
}

Napi::Value is_disposed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), std::holds_alternative<std::monostate>(unwrap_handle(info[0]).held));
}

/// () → { tensors, bytes, cachedBytes }: how many handles of tensors live in this environment, the bytes of
/// their elements, and the bytes that are free and kept for later tensors of the process
Napi::Value memory_stats(const Napi::CallbackInfo& info) {
  const auto& collector = EnvData::of(info.Env()).collector;
  auto stats = Napi::Object::New(info.Env());
  stats.Set("tensors", collector.live_tensors);
  stats.Set("bytes", collector.live_bytes());
  stats.Set("allocatedBytes", live_cpu_bytes());
  stats.Set("cachedBytes", kept_cpu_bytes());
  return stats;
}

}  // namespace

void export_tensor_functions(Napi::Env env, Napi::Object exports) {
  define<tensor_shape>(env, exports, "tensorShape");
  define<tensor_strides>(env, exports, "tensorStrides");
  define<tensor_dim>(env, exports, "tensorDim");
  define<tensor_layout>(env, exports, "tensorLayout");
  define<tensor_dtype>(env, exports, "tensorDtype");
  define<list_dtype_names>(env, exports, "dtypeNames");
  define<tensor_device>(env, exports, "tensorDevice");
  define<tensor_requires_grad>(env, exports, "tensorRequiresGrad");
  define<tensor_set_requires_grad>(env, exports, "tensorSetRequiresGrad");
  define<is_same_tensor>(env, exports, "isSameTensor");
  define<tensor_is_leaf>(env, exports, "tensorIsLeaf");
  define<tensor_grad_fn>(env, exports, "tensorGradFn");
  define<tensor_to>(env, exports, "tensorTo");
  define<tensor_get_item>(env, exports, "tensorGetItem");
  define<tensor_set_item>(env, exports, "tensorSetItem");
  define<tensor_item>(env, exports, "tensorItem");
  define<disposed_handle>(env, exports, "disposedHandle");
  define<dispose_handle>(env, exports, "dispose");
  define<is_disposed>(env, exports, "isDisposed");
  define<memory_stats>(env, exports, "memoryStats");
}

}  // namespace sos
