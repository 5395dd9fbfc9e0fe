#include "core/autograd/gradient.h"

#include <ATen/core/grad_mode.h>

#include <atomic>

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/guard.h"
#include "binding/handle.h"
#include "binding/js_call.h"
#include "binding/on_lane.h"
#include "core/base/error.h"

namespace sos {
namespace {

/// (modes, outputs, inputs, grad outputs, retain graph, create graph, allow unused, detect anomaly,
/// accumulate) → Promise<(handle | null)[]>, or Promise<undefined> if the gradients are accumulated in the
/// inputs
Napi::Value gradient(const Napi::CallbackInfo& info) {
  const GradOptions options{info[4].As<Napi::Boolean>(), info[5].As<Napi::Boolean>(),
                            info[6].As<Napi::Boolean>(), info[7].As<Napi::Boolean>()};
  const bool accumulate = info[8].As<Napi::Boolean>();
  const auto outputs = to_tensors(info[1]);
  const auto inputs = to_tensors(info[2]);
  const auto grad_outputs = to_tensors(info[3]);
  auto use = StorageUse(accumulate ? "backward" : "grad").add(outputs).add(inputs).add(grad_outputs);
  use.add_graph_of(outputs);
  if (accumulate) {
    return on_lane(info, to_modes(info[0]), std::move(use), [outputs, inputs, grad_outputs, options] {
      backward(outputs, inputs, grad_outputs, options);
    });
  }
  return on_lane(
      info, to_modes(info[0]), std::move(use),
      [outputs, inputs, grad_outputs, options] { return grad(outputs, inputs, grad_outputs, options); },
      to_js_tensors);
}

/// (tensor) → handle | null: the gradient that backwards have accumulated
Napi::Value tensor_grad(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  lane_of(info).refuse_graph_use(tensor, "tensor.grad");
  return wrap_tensor(info.Env(), tensor.grad());
}

/// (tensor, tensor | null)
Napi::Value tensor_set_grad(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  lane_of(info).refuse_graph_use(tensor, "tensor.grad = …");
  if (info[1].IsNull()) {
    if (tensor.grad().defined()) tensor.mutable_grad().reset();
    return info.Env().Undefined();
  }
  const auto& gradient = unwrap_tensor(info[1]);
  if (gradient.sizes() != tensor.sizes() || gradient.scalar_type() != tensor.scalar_type() ||
      gradient.device() != tensor.device()) {
    throw Error("ERR_SHAPE", "expected a gradient of the tensor's own shape, dtype and device, " +
                                 describe(tensor) + ", but received " + describe(gradient));
  }
  tensor.mutable_grad() = gradient;
  return info.Env().Undefined();
}

/// A hook that a gradient calls until the hook is removed. The thread that runs a backward reads libtorch's
/// list of hooks, so nothing is ever taken out of that list: a hook that was removed does nothing.
struct GradientHook {
  std::atomic<bool> active = true;
  std::shared_ptr<Napi::FunctionReference> listener;  // used on the JavaScript thread only
};

/// (tensor, (gradient, grad mode) → gradient | undefined) → () => void, which removes the hook. The hook is
/// called on the JavaScript thread while the backward waits.
Napi::Value tensor_register_hook(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  lane_of(info).refuse_graph_use(tensor, "registerHook()");
  const auto js = EnvData::of(info.Env()).js;
  const auto hook = std::make_shared<GradientHook>();
  hook->listener = shared_reference(js, Napi::Persistent(info[1].As<Napi::Function>()));
  tensor.register_hook([js, hook](const at::Tensor& gradient) -> at::Tensor {
    if (!hook->active) return {};
    const bool recording = at::GradMode::is_enabled();
    return js->ask<at::Tensor>([hook, gradient, recording](Napi::Env env) -> at::Tensor {
      const auto called = hook->listener;  // kept, since the listener may remove itself
      if (called == nullptr) return {};
      const auto result =
          call_js(called->Value(), {wrap_tensor(env, gradient), Napi::Boolean::New(env, recording)});
      return result.IsUndefined() ? at::Tensor() : unwrap_tensor(result);
    });
  });
  return Napi::Function::New(info.Env(), [hook](const Napi::CallbackInfo&) {
    hook->active = false;
    hook->listener = nullptr;
  });
}

}  // namespace

void export_gradient_functions(Napi::Env env, Napi::Object exports) {
  define<gradient>(env, exports, "grad");
  define<tensor_grad>(env, exports, "tensorGrad");
  define<tensor_set_grad>(env, exports, "tensorSetGrad");
  define<tensor_register_hook>(env, exports, "tensorRegisterHook");
}

}  // namespace sos
