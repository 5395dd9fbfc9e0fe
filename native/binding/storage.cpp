#include "core/memory/storage.h"

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/base/dtype.h"

namespace sos {
namespace {

/// (tensor) → { id: bigint, bytes: handle, offset, strides }
Napi::Value tensor_storage(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto view = storage_of(unwrap_tensor(info[0]));
  auto object = Napi::Object::New(env);
  object.Set("id", Napi::BigInt::New(env, static_cast<uint64_t>(view.id)));
  object.Set("bytes", wrap_tensor(env, view.bytes));
  object.Set("offset", Napi::Number::New(env, static_cast<double>(view.offset)));
  object.Set("strides", to_js_ints(env, view.strides));
  return object;
}

/// (tensor) → a number that is equal for two handles of the same tensor; views of it have others
Napi::Value tensor_identity(const Napi::CallbackInfo& info) {
  const auto* implementation = unwrap_tensor(info[0]).unsafeGetTensorImpl();
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(implementation)));
}

/// (bytes: handle, dtype, offset, shape, strides) → handle that shares the memory
Napi::Value tensor_from_storage(const Napi::CallbackInfo& info) {
  const auto dtype = expect_dtype(info[1].As<Napi::String>());
  const int64_t offset = info[2].As<Napi::Number>().Int64Value();
  return wrap_tensor(info.Env(),
                     tensor_over(unwrap_tensor(info[0]), dtype, offset, to_ints(info[3]), to_ints(info[4])));
}

/// (tensor, what would write): throws `ERR_BUSY` if a pending call uses the tensor's memory
Napi::Value refuse_write(const Napi::CallbackInfo& info) {
  lane_of(info).refuse_write(unwrap_tensor(info[0]), info[1].As<Napi::String>());
  return info.Env().Undefined();
}

}  // namespace

void export_storage_functions(Napi::Env env, Napi::Object exports) {
  define<tensor_storage>(env, exports, "tensorStorage");
  define<tensor_identity>(env, exports, "tensorIdentity");
  define<tensor_from_storage>(env, exports, "tensorFromStorage");
  define<refuse_write>(env, exports, "refuseWrite");
}

}  // namespace sos
