#include "binding/guard.h"

#include <c10/util/Exception.h>

#include <string>

#include "core/error.h"

namespace sos {
namespace {

Napi::Error make_error(Napi::Env env, const std::string& code, const std::string& message) {
  auto error = Napi::Error::New(env, message);
  error.Value().Set("code", Napi::String::New(env, code));
  return error;
}

/// libtorch appends `Exception raised from …` with C++ frames to some messages.
std::string without_frames(std::string message) {
  for (const char* mark : {"\nException raised from ", "\nC++ CapturedTraceback:"}) {
    const auto found = message.find(mark);
    if (found != std::string::npos) message.resize(found);
  }
  return message;
}

}  // namespace

Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Napi::Error& error) {
    // Node-API's own errors, of a value of another type than was asked for, have no code.
    if (error.Value().Get("code").IsUndefined()) error.Value().Set("code", "ERR_INVALID_ARGUMENT");
    return error;
  } catch (const Error& error) {
    return make_error(env, error.code, error.what());
  } catch (const c10::OutOfMemoryError& error) {
    return make_error(env, "ERR_OUT_OF_MEMORY", without_frames(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    return make_error(env, "ERR_TORCH", without_frames(error.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    return make_error(env, "ERR_OUT_OF_MEMORY", "there is not enough memory");
  } catch (const std::exception& error) {
    return make_error(env, "ERR_TORCH", without_frames(error.what()));
  } catch (...) {
    return make_error(env, "ERR_UNKNOWN", "libtorch threw something that is no std::exception");
  }
}

}  // namespace sos
