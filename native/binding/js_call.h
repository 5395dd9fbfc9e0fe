#pragma once
#include <napi.h>

#include <exception>
#include <initializer_list>

namespace sos {

/// Says that JavaScript threw, or that V8 ends the script (a timeout of node:vm, the end of a worker). The
/// exception is left pending in Node-API, and Node throws it when the native function returns. Nobody may
/// take it before that only to throw it again: to JavaScript the end of a script is an exception that no
/// `catch` stops, but V8 forgets it as soon as native code throws anything else, or calls a function that
/// could throw. The script would then go on, perhaps forever.
struct PendingException : std::exception {
  const char* what() const noexcept override { return "a JavaScript exception is pending"; }
};

/// Calls a JavaScript function, with `undefined` as its `this`. Throws PendingException.
Napi::Value call_js(const Napi::Function& function, std::initializer_list<napi_value> arguments);

/// The same with another `this`.
Napi::Value call_js(const Napi::Function& function, const Napi::Value& self,
                    std::initializer_list<napi_value> arguments);

/// An instance of a JavaScript class. Throws PendingException.
Napi::Object construct_js(const Napi::Function& made_by, std::initializer_list<napi_value> arguments);

/// Takes the exception of a PendingException where no JavaScript function waits for the native one, such as
/// in a turn of the event loop.
Napi::Error take_pending(Napi::Env env);

}  // namespace sos
