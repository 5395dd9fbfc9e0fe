#include "binding/handle.h"

#include "binding/env_data.h"
#include "core/base/error.h"

namespace sos {
namespace {

void let_go(EnvData& data, Napi::BasicEnv env, Handle& handle) {
  if (std::holds_alternative<at::Tensor>(handle.held)) --data.collector.live_tensors;
  data.collector.release(env, handle.bytes);
  handle.bytes = 0;
  handle.held = std::monostate{};
}

void finalize(node_api_basic_env env, void* raw, void* hint) {
  std::unique_ptr<Handle> handle(static_cast<Handle*>(raw));
  auto& data = *static_cast<EnvData*>(hint);
  let_go(data, Napi::BasicEnv(env), *handle);
  constexpr size_t kMostSpare = 4096;
  if (data.spare_handles.size() < kMostSpare) data.spare_handles.push_back(std::move(handle));
}

int64_t bytes_of(const at::Tensor& tensor) {
  return tensor.layout() == at::kStrided ? static_cast<int64_t>(tensor.nbytes()) : 0;
}

// Calls Node-API itself, since node-addon-api would allocate twice for each external.
template <class T>
Napi::Value wrap(EnvData& data, Napi::Env env, T&& held, int64_t bytes) {
  std::unique_ptr<Handle> handle;
  if (data.spare_handles.empty()) {
    handle = std::make_unique<Handle>();
  } else {
    handle = std::move(data.spare_handles.back());
    data.spare_handles.pop_back();
  }
  handle->held = std::forward<T>(held);
  handle->bytes = bytes;
  napi_value external = nullptr;
  NAPI_THROW_IF_FAILED(env,
                       napi_create_external(data.finalizing_env, handle.get(), finalize, &data, &external),
                       Napi::Value());
  handle.release();
  data.collector.hold(env, bytes);
  return {env, external};
}

template <class T>
const T& expect(const Napi::Value& value, const char* what) {
  Handle& handle = unwrap_handle(value);
  if (const T* held = std::get_if<T>(&handle.held)) return *held;
  if (std::holds_alternative<std::monostate>(handle.held)) {
    throw Error("ERR_DISPOSED", std::string("this ") + what + " was disposed of: keep it, or use it before");
  }
  throw Error("ERR_INVALID_ARGUMENT",
              std::string("expected a ") + what + " but received another native object");
}

}  // namespace

Napi::Value wrap_tensor(Napi::Env env, at::Tensor tensor) {
  return wrap_tensor(EnvData::of(env), env, std::move(tensor));
}

Napi::Value wrap_tensor(EnvData& data, Napi::Env env, at::Tensor tensor) {
  if (!tensor.defined()) return env.Null();
  ++data.collector.live_tensors;
  const int64_t bytes = bytes_of(tensor);
  return wrap(data, env, std::move(tensor), bytes);
}

Napi::Value wrap_tensor(EnvData& data, Napi::Env env, at::Tensor tensor, const Napi::Value& spare) {
  if (!tensor.defined() || !spare.IsExternal()) return wrap_tensor(data, env, std::move(tensor));
  Handle& handle = unwrap_handle(spare);
  if (!std::holds_alternative<std::monostate>(handle.held)) {
    const auto* target = std::get_if<at::Tensor>(&handle.held);
    if (target != nullptr && target->is_same(tensor)) return spare;
    return wrap_tensor(data, env, std::move(tensor));
  }
  ++data.collector.live_tensors;
  handle.bytes = bytes_of(tensor);
  handle.held = std::move(tensor);
  data.collector.hold(env, handle.bytes);
  return spare;
}

Napi::Value wrap_module(Napi::Env env, std::shared_ptr<ScriptModule> module) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : module->parameters()) bytes += static_cast<int64_t>(tensor.nbytes());
  return wrap(EnvData::of(env), env, std::move(module), bytes);
}

Napi::Value wrap_object(Napi::Env env, std::shared_ptr<ScriptObject> object) {
  return wrap(EnvData::of(env), env, std::move(object), 0);
}

Napi::Value wrap_generator(Napi::Env env, at::Generator generator) {
  return wrap(EnvData::of(env), env, std::move(generator), 0);
}

Napi::Value wrap_group(Napi::Env env, std::shared_ptr<ProcessGroup> group) {
  return wrap(EnvData::of(env), env, std::move(group), 0);
}

Napi::Value wrap_reducer(Napi::Env env, std::shared_ptr<GradientReducer> reducer) {
  return wrap(EnvData::of(env), env, std::move(reducer), 0);
}

Handle& unwrap_handle(const Napi::Value& value) {
  void* data = nullptr;
  if (napi_get_value_external(value.Env(), value, &data) != napi_ok || data == nullptr) {
    throw Error("ERR_INVALID_ARGUMENT", "expected a native handle");
  }
  auto& handle = *static_cast<Handle*>(data);
  if (handle.mark != Handle::kMark) throw Error("ERR_INVALID_ARGUMENT", "expected a handle of this addon");
  return handle;
}

const at::Tensor& unwrap_tensor(const Napi::Value& value) {
  return expect<at::Tensor>(value, "Tensor");
}

const std::shared_ptr<ScriptModule>& unwrap_module(const Napi::Value& value) {
  return expect<std::shared_ptr<ScriptModule>>(value, "ScriptModule");
}

const at::Generator& unwrap_generator(const Napi::Value& value) {
  return expect<at::Generator>(value, "Generator");
}

const std::shared_ptr<ProcessGroup>& unwrap_group(const Napi::Value& value) {
  return expect<std::shared_ptr<ProcessGroup>>(value, "ProcessGroup");
}

const std::shared_ptr<GradientReducer>& unwrap_reducer(const Napi::Value& value) {
  return expect<std::shared_ptr<GradientReducer>>(value, "GradientReducer");
}

std::shared_ptr<ScriptObject> unwrap_object(const Napi::Value& value) {
  const Handle& handle = unwrap_handle(value);
  if (const auto* object = std::get_if<std::shared_ptr<ScriptObject>>(&handle.held)) return *object;
  return unwrap_module(value);
}

void dispose(Napi::Env env, Handle& handle) {
  let_go(EnvData::of(env), env, handle);
}

}  // namespace sos
