#include "core/autograd/gradient.h"

#include <ATen/core/grad_mode.h>

#include <atomic>

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/guard.h"
#include "binding/handle.h"
#include "core/base/error.h"

namespace sos {
namespace {

/// (modes, outputs, inputs, grad outputs, retain graph, create graph, allow unused, detect anomaly,
/// accumulate) → Promise of (handle | null)[], or of nothing where the gradients are accumulated in the
/// inputs
Napi::Value gradient(const Napi::CallbackInfo& info) {
  const GradOptions options{info[4].As<Napi::Boolean>(), info[5].As<Napi::Boolean>(),
                            info[6].As<Napi::Boolean>(), info[7].As<Napi::Boolean>()};
  const bool accumulate = info[8].As<Napi::Boolean>();
  auto outputs = to_tensors(info[1]);
  auto inputs = to_tensors(info[2]);
  auto grad_outputs = to_tensors(info[3]);
  auto use = StorageUse(accumulate ? "backward" : "grad").add(outputs).add(inputs).add(grad_outputs);
  use.add_graph_of(outputs);
  return EnvData::of(info.Env())
      .lane->submit(info.Env(), to_modes(info[0]), std::move(use),
                    [outputs = std::move(outputs), inputs = std::move(inputs),
                     grad_outputs = std::move(grad_outputs), options, accumulate]() -> Lane::Finish {
                      if (accumulate) {
                        backward(outputs, inputs, grad_outputs, options);
                        return [](Napi::Env env) { return env.Undefined(); };
                      }
                      return [gradients = grad(outputs, inputs, grad_outputs, options)](Napi::Env env) {
                        return to_js_tensors(env, gradients);
                      };
                    });
}

/// (tensor) → handle | null: what backward has gathered
Napi::Value tensor_grad(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  EnvData::of(info.Env()).lane->refuse_graph_use(tensor, "tensor.grad");
  return wrap_tensor(info.Env(), tensor.grad());
}

/// (tensor, tensor | null)
Napi::Value tensor_set_grad(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  EnvData::of(info.Env()).lane->refuse_graph_use(tensor, "tensor.grad = …");
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

/// What a gradient calls until it is removed. libtorch's list of hooks is read by the thread that runs a
/// backward, so nothing is ever taken out of it: a hook that was removed does nothing.
struct GradientHook {
  std::atomic<bool> active = true;
  std::shared_ptr<Napi::FunctionReference> listener;  // on the JavaScript thread
};

/// (tensor, (gradient, grad mode) → gradient | undefined) → () => void, which removes the hook. It is called
/// on the JavaScript thread while the backward waits.
Napi::Value tensor_register_hook(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  EnvData::of(info.Env()).lane->refuse_graph_use(tensor, "registerHook()");
  const auto js = EnvData::of(info.Env()).js;
  const auto hook = std::make_shared<GradientHook>();
  hook->listener = shared_reference(js, Napi::Persistent(info[1].As<Napi::Function>()));
  tensor.register_hook([js, hook](const at::Tensor& gradient) -> at::Tensor {
    if (!hook->active) return {};
    const bool recording = at::GradMode::is_enabled();
    return js->ask<at::Tensor>([hook, gradient, recording](Napi::Env env) -> at::Tensor {
      const auto called = hook->listener;  // it may remove itself
      if (called == nullptr) return {};
      const auto result = called->Call({wrap_tensor(env, gradient), Napi::Boolean::New(env, recording)});
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
