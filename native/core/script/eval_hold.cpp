#include "core/script/eval_hold.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <unordered_set>

#include "core/base/error.h"

namespace sos {
namespace {

using torch::jit::Module;

struct HeldMode {
  size_t holds = 0;
  size_t readers = 0;     // the holds that do not end with a write
  bool training = false;  // the mode that it had before
};

struct Registry {
  std::mutex mutex;
  std::unordered_map<const c10::ivalue::Object*, HeldMode> held;
  std::atomic<size_t> from_training = 0;  // how many of them were in train mode before
};

Registry& registry() {
  static auto* instance = new Registry;  // outlives every environment
  return *instance;
}

const c10::ivalue::Object* object_of(const Module& module) {
  return module._ivalue().get();
}

std::optional<size_t> mode_slot(const Module& module) {
  const auto slot = module._ivalue()->type()->findAttributeSlot("training");
  if (!slot || !module._ivalue()->getSlot(*slot).isBool()) return std::nullopt;
  return *slot;
}

/// False if the module has no mode.
bool mode_of(const Module& module) {
  const auto slot = mode_slot(module);
  return slot && module._ivalue()->getSlot(*slot).toBool();
}

void set_mode(const Module& module, bool training) {
  if (const auto slot = mode_slot(module)) module._ivalue()->setSlot(*slot, training);
}

/// The caller holds the lock of the registry.
bool mode_given_back(const Registry& known, const Module& part) {
  const auto found = known.held.find(object_of(part));
  return found == known.held.end() ? mode_of(part) : found->second.training;
}

}  // namespace

std::vector<Module> parts_of(const Module& module) {
  std::vector<Module> parts;
  std::unordered_set<const c10::ivalue::Object*> seen;
  for (const auto& part : module.modules()) {
    if (seen.insert(object_of(part)).second) parts.push_back(part);
  }
  return parts;
}

EvalHold::EvalHold(const Module& module, bool to_write,
                   const std::function<std::shared_ptr<void>()>& before_switching)
    : to_write_(to_write), parts_(parts_of(module)) {
  for (const auto& named : module.named_parameters()) weights_.push_back({named.name, named.value, false});
  for (const auto& named : module.named_buffers()) weights_.push_back({named.name, named.value, true});
  note_weights();
  auto& known = registry();
  const std::lock_guard<std::mutex> lock(known.mutex);
  std::shared_ptr<void> kept;
  const bool switches = std::any_of(parts_.begin(), parts_.end(), [&](const Module& part) {
    return !known.held.contains(object_of(part)) && mode_of(part);
  });
  if (switches) kept = before_switching();
  for (const Module& part : parts_) {
    HeldMode& held = known.held[object_of(part)];
    if (!to_write_) ++held.readers;
    if (held.holds++ > 0) continue;
    held.training = mode_of(part);
    if (!held.training) continue;
    ++known.from_training;
    set_mode(part, false);
  }
}

EvalHold::~EvalHold() {
  auto& known = registry();
  const std::lock_guard<std::mutex> lock(known.mutex);
  for (const Module& part : parts_) {
    const auto found = known.held.find(object_of(part));
    if (!to_write_) --found->second.readers;
    if (--found->second.holds > 0) continue;
    if (found->second.training) {
      --known.from_training;
      set_mode(part, true);
    }
    known.held.erase(found);
  }
}

void EvalHold::read(Weight& weight) const {
  const at::Tensor& tensor = weight.tensor;
  weight.data = tensor.has_storage() ? tensor.storage().data() : nullptr;
  weight.version = tensor.is_inference() ? 0 : tensor._version();
  weight.dtype = tensor.scalar_type();
}

void EvalHold::note_buffers() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (Weight& weight : weights_) {
    if (weight.buffer) read(weight);
  }
}

void EvalHold::note_weights() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (Weight& weight : weights_) read(weight);
}

void EvalHold::expect_weights() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Weight& weight : weights_) {
    Weight now = weight;
    read(now);
    if (now.data == weight.data && now.version == weight.version && now.dtype == weight.dtype) continue;
    throw Error("ERR_BUSY",
                "'" + weight.name +
                    "' was written to while an evaluation, capture or shift of the module was running, so "
                    "its result would mix two models. Await it first, or give it a clone() of the module");
  }
}

void EvalHold::expect_no_reader() const {
  auto& known = registry();
  const std::lock_guard<std::mutex> lock(known.mutex);
  const size_t own = to_write_ ? 0 : 1;
  if (std::all_of(parts_.begin(), parts_.end(),
                  [&](const Module& part) { return known.held.at(object_of(part)).readers == own; })) {
    return;
  }
  throw Error("ERR_BUSY",
              "a shift would change the weights while an evaluation, a capture or a view in eval mode still "
              "uses the module, so nothing was written. Await it first, or give it a clone() of the module");
}

bool is_held(const Module& module) {
  auto& known = registry();
  const std::lock_guard<std::mutex> lock(known.mutex);
  if (known.held.empty()) return false;
  const auto parts = parts_of(module);
  return std::any_of(parts.begin(), parts.end(),
                     [&](const Module& part) { return known.held.contains(object_of(part)); });
}

bool is_held_from_training(const Module& module) {
  auto& known = registry();
  if (known.from_training == 0) return false;
  const std::lock_guard<std::mutex> lock(known.mutex);
  const auto parts = parts_of(module);
  return std::any_of(parts.begin(), parts.end(), [&](const Module& part) {
    const auto found = known.held.find(object_of(part));
    return found != known.held.end() && found->second.training;
  });
}

bool stays_in(const Module& module, bool training) {
  auto& known = registry();
  const std::lock_guard<std::mutex> lock(known.mutex);
  const auto parts = parts_of(module);
  return std::all_of(parts.begin(), parts.end(), [&](const Module& part) {
    return !mode_slot(part) || (mode_of(part) == training && mode_given_back(known, part) == training);
  });
}

std::vector<bool> modes_of(const Module& module) {
  auto& known = registry();
  const std::lock_guard<std::mutex> lock(known.mutex);
  std::vector<bool> modes;
  for (const Module& part : parts_of(module)) modes.push_back(mode_given_back(known, part));
  return modes;
}

void set_modes(const Module& module, const std::vector<bool>& modes) {
  auto& known = registry();
  const std::lock_guard<std::mutex> lock(known.mutex);
  const auto parts = parts_of(module);
  for (size_t i = 0; i < parts.size() && i < modes.size(); ++i) {
    const auto found = known.held.find(object_of(parts[i]));
    if (found == known.held.end()) {
      set_mode(parts[i], modes[i]);
      continue;
    }
    if (found->second.training == modes[i] || !mode_slot(parts[i])) continue;
    found->second.training = modes[i];
    if (modes[i])
      ++known.from_training;
    else
      --known.from_training;
  }
}

}  // namespace sos
