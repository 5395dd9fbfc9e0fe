#pragma once
#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace sos {

/// What this libtorch is, and what it runs on.
struct RuntimeInfo {
  std::string torch_version;         ///< of the headers that the addon was built with, such as "2.13.0"
  std::string library;               ///< path of the libtorch_cpu that was loaded
  std::vector<std::string> devices;  ///< "cpu", then the accelerators of this machine, such as "cuda:0"
  int threads;                       ///< threads within one operator
  std::string cpu_capability;        ///< the vector instructions that were chosen at run time, such as "AVX2"
};
RuntimeInfo runtime_info();

/// The device with that name. Throws Error `ERR_DEVICE` if the name is malformed or there is no such device.
c10::Device expect_device(const std::string& name);

/// How many devices of this type there are; 0 if libtorch was built without support for it.
int device_count(c10::DeviceType type);

/// The device with an index. If it has none, the result is the current device of its type on this thread.
c10::Device with_index(c10::Device device);

/// Waits for all work that was given to the device. Does nothing for the CPU.
void synchronize(c10::Device device);

}  // namespace sos
