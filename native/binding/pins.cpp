#include "binding/pins.h"

#include <ATen/Functions.h>
#include <c10/core/CPUAllocator.h>

namespace sos {

at::Tensor Pins::pin(const Napi::Value& owner, void* data, size_t bytes, at::IntArrayRef shape,
                     at::ScalarType dtype) {
  drain();  // for loops that never return to the event loop
  const auto pin = std::make_shared<Pin>();
  NAPI_THROW_IF_FAILED(env_, napi_create_reference(env_, owner, 1, &pin->owner), at::Tensor());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    live_.insert(pin);
  }
  // From here on the storage owns the pin: if making the tensor fails, the deleter runs.
  at::DataPtr held(data, new Held{shared_from_this(), pin}, &let_go, at::kCPU);
  const c10::Storage storage(c10::Storage::use_byte_size_t(), static_cast<int64_t>(bytes), std::move(held),
                             nullptr, /*resizable=*/false);
  pin->storage = storage.getWeakStorageImpl();
  return at::empty({0}, at::TensorOptions().dtype(dtype)).set_(storage, 0, shape);
}

void Pins::let_go(void* raw) {
  const std::unique_ptr<Held> held(static_cast<Held*>(raw));
  held->pins->release(held->pin);
}

bool Pins::hold(const c10::Storage& storage) {
  return storage.data_ptr().get_deleter() == &let_go;
}

bool Pins::is_foreign(const c10::Storage& storage) const {
  return hold(storage) && static_cast<Held*>(storage.data_ptr().get_context())->pins.get() != this;
}

void Pins::release(const std::shared_ptr<Pin>& pin) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (live_.erase(pin) == 0) return;  // the environment has ended
    dead_.push_back(pin->owner);
    if (dead_.size() > 1) return;  // drain() was posted already
  }
  js_->post([pins = shared_from_this()](Napi::Env) { pins->drain(); });
}

void Pins::drain() {
  std::vector<napi_ref> dead;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    dead.swap(dead_);
  }
  for (napi_ref owner : dead) napi_delete_reference(env_, owner);
}

void Pins::close() {
  drain();
  std::unordered_set<std::shared_ptr<Pin>> live;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    live.swap(live_);
  }
  for (const auto& pin : live) {
    if (const auto storage = pin->storage.lock()) {
      storage->set_data_ptr(c10::GetCPUAllocator()->clone(storage->data(), storage->nbytes()));
    }
    napi_delete_reference(env_, pin->owner);
  }
}

}  // namespace sos
