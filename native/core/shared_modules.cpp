#include "core/shared_modules.h"

#include <map>
#include <mutex>

#include "core/error.h"

namespace sos {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<uint64_t, std::weak_ptr<ScriptModule>> modules;
  uint64_t last = 0;
};

Registry& registry() {
  static auto* instance = new Registry;  // outlives every environment
  return *instance;
}

}  // namespace

uint64_t share_module(const std::shared_ptr<ScriptModule>& module) {
  auto& [mutex, modules, last] = registry();
  const std::lock_guard<std::mutex> lock(mutex);
  std::erase_if(modules, [](const auto& entry) { return entry.second.expired(); });
  for (const auto& [id, known] : modules) {
    if (known.lock() == module) return id;
  }
  modules[++last] = module;
  return last;
}

std::shared_ptr<ScriptModule> adopt_module(uint64_t id) {
  auto& [mutex, modules, last] = registry();
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = modules.find(id);
  if (auto module = found == modules.end() ? nullptr : found->second.lock()) return module;
  throw Error("ERR_SHARED_GONE",
              "expected a module that share() told of and that still lives in this process but it was freed; "
              "keep the ScriptModule that is shared until the other thread has it");
}

}  // namespace sos
