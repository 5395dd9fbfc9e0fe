#include "binding/guard.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <string>

#include "binding/env_data.h"
#include "binding/js_call.h"
#include "core/base/error_text.h"
#include "core/script/script_error.h"

namespace sos {
namespace {

/// An instance of the error class that JavaScript gave. It gave none if a script loaded the addon by itself.
Napi::Error make_error(Napi::Env env, const std::string& code, const std::string& message) {
  const auto& made_by = EnvData::of(env).error_class;
  if (made_by.IsEmpty()) {
    auto error = Napi::Error::New(env, message);
    error.Value().Set("code", Napi::String::New(env, code));
    return error;
  }
  return {env,
          construct_js(made_by.Value(), {Napi::String::New(env, code), Napi::String::New(env, message)})};
}

/// SOS_SHOW_CPP_STACKTRACES=1 asks for the whole text of libtorch's errors, with the C++ frames.
bool shows_all() {
  const char* value = std::getenv("SOS_SHOW_CPP_STACKTRACES");
  return value != nullptr && *value != '\0' && std::string(value) != "0";
}

/// libtorch appends `Exception raised from …` with C++ frames to some messages.
std::string message_of(const std::exception& error) {
  if (shows_all()) return text_of(error);
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string message = torch_error ? torch_error->what_without_backtrace() : text_of(error);
  // The useful part comes after `[enforce fail at FILE:LINE] CONDITION. `.
  if (const auto end = message.find("DefaultCPUAllocator: ");
      message.rfind("[enforce fail", 0) == 0 && end != std::string::npos)
    message.erase(0, end);
  for (const char* mark : {"\nException raised from ", "\nC++ CapturedTraceback:"}) {
    const auto found = message.find(mark);
    if (found != std::string::npos) message.resize(found);
  }
  if (message.find("Trying to resize storage that is not resizable") != std::string::npos) {
    message +=
        ": it shares its memory with a JavaScript array (asTypedArray(), fromBuffer()), with other threads "
        "(share()) or with the rest of a file; a clone() has memory of its own";
  }
  return message;
}

}  // namespace

Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const PendingException&) {
    throw;
  } catch (const JsFailure& failed) {
    return *failed.error;
  } catch (const Napi::Error& error) {
    // Node-API's own errors have no code. They say that a value has another type than was asked for.
    const bool coded = !error.Value().Get("code").IsUndefined();
    return coded ? error : make_error(env, "ERR_INVALID_ARGUMENT", error.Message());
  } catch (const ScriptError& error) {
    auto made = make_error(env, error.code, shows_all() ? error.full_text : error.what());
    made.Value().Set("submodule", error.submodule);
    made.Value().Set("line", error.line);
    return made;
  } catch (const Error& error) {
    return make_error(env, error.code, error.what());
  } catch (const c10::OutOfMemoryError& error) {
    return make_error(env, "ERR_OUT_OF_MEMORY", message_of(error));
  } catch (const std::bad_alloc&) {
    return make_error(env, "ERR_OUT_OF_MEMORY", "there is not enough memory");
  } catch (const std::exception& error) {
    const auto message = message_of(error);
    const bool memory = message.find("DefaultCPUAllocator: can't allocate memory") != std::string::npos;
    return make_error(env, memory ? "ERR_OUT_OF_MEMORY" : "ERR_TORCH", message);
  } catch (...) {
    return make_error(env, "ERR_UNKNOWN", "libtorch threw something that is not a std::exception");
  }
}

void throw_to_js(Napi::Env env, const std::exception_ptr& failure) noexcept {
  try {
    to_js_error(env, failure).ThrowAsJavaScriptException();
  } catch (const PendingException&) {
    // Node throws it, also if it came up only now: making an error runs JavaScript.
  } catch (...) {
    // A getter of an argument was running when V8 ended this script. V8 has forgotten that by now, so an
    // error has to end the script. If the environment itself ends, this does nothing.
    napi_throw_error(env, "ERR_TERMINATED", "the script was ended, by its timeout or with its worker");
  }
}

}  // namespace sos
