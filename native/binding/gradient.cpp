#include "core/gradient.h"

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"

namespace sos {
namespace {

/// (modes, outputs, inputs, grad outputs, retain graph, create graph, allow unused) → Promise<(handle |
/// null)[]>
Napi::Value gradient(const Napi::CallbackInfo& info) {
  const GradOptions options{info[4].As<Napi::Boolean>(), info[5].As<Napi::Boolean>(),
                            info[6].As<Napi::Boolean>()};
  auto outputs = to_tensors(info[1]);
  auto inputs = to_tensors(info[2]);
  auto grad_outputs = to_tensors(info[3]);
  auto use = StorageUse("grad").add(outputs).add(inputs).add(grad_outputs);
  return EnvData::of(info.Env())
      .lane->submit(info.Env(), to_modes(info[0]), std::move(use),
                    [outputs = std::move(outputs), inputs = std::move(inputs),
                     grad_outputs = std::move(grad_outputs), options]() -> Lane::Finish {
                      return [gradients = grad(outputs, inputs, grad_outputs, options)](Napi::Env env) {
                        return to_js_tensors(env, gradients);
                      };
                    });
}

}  // namespace

void export_gradient_functions(Napi::Env env, Napi::Object exports) {
  define<gradient>(env, exports, "grad");
}

}  // namespace sos
