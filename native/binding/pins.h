#pragma once
#include <ATen/core/Tensor.h>
#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "binding/js_thread.h"

namespace sos {

/// The JavaScript memory that tensors of one environment use in place. A strong reference keeps the memory as
/// long as a storage uses it. A storage may be freed on any thread, within a garbage collection too, and the
/// reference only on the environment's own: so it waits in a list until that thread comes by.
class Pins : public std::enable_shared_from_this<Pins> {
 public:
  Pins(Napi::Env env, std::shared_ptr<JsThread> js) : env_(env), js_(std::move(js)) {}

  /// A tensor over `data`, which belongs to `owner` and has as many `bytes` as the shape takes, or more.
  at::Tensor pin(const Napi::Value& owner, void* data, size_t bytes, at::IntArrayRef shape,
                 at::ScalarType dtype);

  /// Whether the memory of a storage is JavaScript's, of whichever environment.
  static bool hold(const c10::Storage& storage);

  /// Whether it is that of another environment than this, with which it ends.
  bool is_foreign(const c10::Storage& storage) const;

  /// Called once, when the environment ends and its handles are gone. Storages that others still hold get a
  /// copy of their memory, which is about to vanish.
  void close();

 private:
  struct Pin {
    napi_ref owner = nullptr;
    c10::weak_intrusive_ptr<c10::StorageImpl> storage{c10::intrusive_ptr<c10::StorageImpl>()};
  };

  /// What a storage over JavaScript's memory has for its context.
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
