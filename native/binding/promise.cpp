#include "binding/promise.h"

#include "binding/guard.h"
#include "binding/js_call.h"

namespace sos {

void settle(Napi::Env env, const Napi::Promise::Deferred& deferred, const Finish& finish,
            std::exception_ptr failure) {
  if (!failure) {
    try {
      deferred.Resolve(finish(env));
      return;
    } catch (const PendingException&) {
      deferred.Reject(take_pending(env).Value());
      return;
    } catch (...) {
      failure = std::current_exception();
    }
  }
  deferred.Reject(to_js_error(env, failure).Value());
}

}  // namespace sos
