#include "binding/js_call.h"

namespace sos {

Napi::Value call_js(const Napi::Function& function, std::initializer_list<napi_value> arguments) {
  return call_js(function, function.Env().Undefined(), arguments);
}

Napi::Value call_js(const Napi::Function& function, const Napi::Value& self,
                    std::initializer_list<napi_value> arguments) {
  const Napi::Env env = function.Env();
  napi_value result = nullptr;
  if (napi_call_function(env, self, function, arguments.size(), arguments.begin(), &result) != napi_ok)
    throw PendingException();
  return {env, result};
}

Napi::Object construct_js(const Napi::Function& made_by, std::initializer_list<napi_value> arguments) {
  const Napi::Env env = made_by.Env();
  napi_value made = nullptr;
  if (napi_new_instance(env, made_by, arguments.size(), arguments.begin(), &made) != napi_ok)
    throw PendingException();
  return {env, made};
}

Napi::Error take_pending(Napi::Env env) {
  return Napi::Error::New(env);
}

}  // namespace sos
