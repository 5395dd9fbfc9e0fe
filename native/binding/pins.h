#pragma once
#include <ATen/core/Tensor.h>
#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "binding/js_thread.h"

namespace sos {

/// The JavaScript memory that tensors of one environment use in place. A strong reference keeps the memory
/// alive as long as a storage uses it. A storage may be freed on any thread, even within a garbage
/// collection, but the reference only on the environment's own thread. So the reference waits in a list until
/// that thread frees it.
class Pins : public std::enable_shared_from_this<Pins> {
 public:
  Pins(Napi::Env env, std::shared_ptr<JsThread> js) : env_(env), js_(std::move(js)) {}

  /// A tensor over `data`, which belongs to `owner`. It has at least as many `bytes` as the shape takes.
  at::Tensor pin(const Napi::Value& owner, void* data, size_t bytes, at::IntArrayRef shape,
                 at::ScalarType dtype);

  /// Whether the memory of a storage belongs to JavaScript, in any environment.
  static bool hold(const c10::Storage& storage);

  /// Whether the memory belongs to the JavaScript of another environment than this one. It ends with that
  /// one.
  bool is_foreign(const c10::Storage& storage) const;

  /// Called once, when the environment ends and its handles are gone. JavaScript's memory is freed next, so
  /// storages that others still hold get a copy of it.
  void close();

 private:
  struct Pin {
    napi_ref owner = nullptr;
    c10::weak_intrusive_ptr<c10::StorageImpl> storage{c10::intrusive_ptr<c10::StorageImpl>()};
  };

  /// The context of a storage over JavaScript's memory.
  struct Held {
    std::shared_ptr<Pins> pins;
    std::shared_ptr<Pin> pin;
  };
  static void let_go(void* held);

  void release(const std::shared_ptr<Pin>& pin);
  void drain();

  const napi_env env_;
  const std::shared_ptr<JsThread> js_;
  std::mutex mutex_;
  std::unordered_set<std::shared_ptr<Pin>> live_;
  std::vector<napi_ref> dead_;
};

}  // namespace sos
