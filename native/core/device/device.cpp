#include "core/device/device.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/version.h>

#include "core/base/dtype.h"
#include "core/base/error.h"
#include "core/device/threads.h"

namespace sos {
namespace {

std::string library_path() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&at::get_num_threads), &info) != 0 && info.dli_fname != nullptr) {
    return info.dli_fname;
  }
  return "unknown";
}

std::vector<std::string> devices() {
  std::vector<std::string> names = {"cpu"};
  if (const auto type = at::accelerator::getAccelerator(false)) {
    const auto name = c10::DeviceTypeName(*type, true);
    for (c10::DeviceIndex i = 0; i < at::accelerator::deviceCount(); ++i) {
      names.push_back(name + ":" + std::to_string(i));
    }
  }
  return names;
}

}  // namespace

RuntimeInfo runtime_info() {
  return {TORCH_VERSION, library_path(), devices(), threads(), at::get_cpu_capability()};
}

c10::Device expect_device(const std::string& name) {
  const auto device = parse_device(name);
  if (!device) {
    throw Error("ERR_DEVICE",
                "expected a device such as 'cpu', 'cuda' or 'cuda:0' but received '" + name + "'");
  }
  if (device->is_cpu() || device->is_meta()) return *device;
  const std::string indexed = device->has_index() ? device->str() : device->str() + ":0";
  std::string known;
  for (const auto& there : devices()) {
    if (there == indexed) return *device;
    known += (known.empty() ? "" : ", ") + there;
  }
  throw Error("ERR_DEVICE", "expected a device of this machine (" + known + ") but received '" + name + "'");
}

int device_count(c10::DeviceType type) {
  return at::accelerator::getAccelerator(false) == type ? at::accelerator::deviceCount() : 0;
}

c10::Device with_index(c10::Device device) {
  if (device.has_index() || device_count(device.type()) == 0) return device;
  return {device.type(), at::accelerator::getDeviceIndex()};
}

void synchronize(c10::Device device) {
  if (!device.is_cpu()) at::accelerator::synchronizeDevice(with_index(device).index());
}

}  // namespace sos
