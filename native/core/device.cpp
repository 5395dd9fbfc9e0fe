#include "core/device.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/version.h>

#include "core/error.h"

namespace sos {
namespace {

std::string library_path() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&at::get_num_threads), &info) != 0 && info.dli_fname != nullptr) {
    return info.dli_fname;
  }
  return "unknown";
}

}  // namespace

RuntimeInfo runtime_info() {
  RuntimeInfo info{TORCH_VERSION, library_path(), {"cpu"}, at::get_num_threads(), at::get_cpu_capability()};
  if (const auto type = at::accelerator::getAccelerator(false)) {
    const auto name = c10::DeviceTypeName(*type, true);
    for (c10::DeviceIndex i = 0; i < at::accelerator::deviceCount(); ++i) {
      info.devices.push_back(name + ":" + std::to_string(i));
    }
  }
  return info;
}

void set_threads(int threads) {
  if (threads < 1) {
    throw Error("ERR_INVALID_ARGUMENT",
                "expected at least one thread but received " + std::to_string(threads));
  }
  at::set_num_threads(threads);
}

}  // namespace sos
