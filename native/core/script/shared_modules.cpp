#include "core/script/shared_modules.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "core/base/error.h"
#include "core/memory/storage.h"

namespace sos {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<uint64_t, std::weak_ptr<ScriptModule>> modules;
  uint64_t last = 0;
};

Registry& registry() {
  static auto* instance = new Registry;  // it outlives every environment
  return *instance;
}

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

void keep_all_in_place(const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.has_storage()) continue;
    if (tensor.is_cpu()) {
      keep_in_place(tensor.storage());
    } else {
      tensor.storage().unsafeGetStorageImpl()->set_resizable(false);
    }
  }
}

bool is_among(const NamedTensors& tensors, const at::Tensor& tensor) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const auto& named) { return named.second.is_same(tensor); });
}

}  // namespace

uint64_t share_module(const std::shared_ptr<ScriptModule>& module) {
  keep_all_in_place(module->parameters());
  keep_all_in_place(module->buffers());
  auto& [mutex, modules, last] = registry();
  const std::lock_guard<std::mutex> lock(mutex);
  std::erase_if(modules, [](const auto& entry) { return entry.second.expired(); });
  for (const auto& [id, known] : modules) {
    if (known.lock() == module) return id;
  }
  modules[++last] = module;
  return last;
}

void refuse_exchange(const at::Tensor& tensor, const std::string& what) {
  std::vector<std::shared_ptr<ScriptModule>> lent;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    for (const auto& [id, known] : registry().modules) {
      if (auto module = known.lock()) lent.push_back(std::move(module));
    }
  }
  for (const auto& module : lent) {
    if (!is_among(module->parameters(), tensor) && !is_among(module->buffers(), tensor)) continue;
    throw Error("ERR_BUSY", what +
                                " would exchange the memory of a module that is shared with other threads: "
                                "do it before share(), or write to the memory with copy_()");
  }
}

std::shared_ptr<ScriptModule> adopt_module(uint64_t id) {
  auto& [mutex, modules, last] = registry();
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = modules.find(id);
  if (auto module = found == modules.end() ? nullptr : found->second.lock()) return module;
  throw Error("ERR_SHARED_GONE",
              "expected a module that was given to share() and still lives in this process, but it was "
              "freed; keep the ScriptModule until the other thread has it");
}

}  // namespace sos
