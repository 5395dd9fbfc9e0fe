#pragma once
#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace sos {

/// What this libtorch is and runs on.
struct RuntimeInfo {
  std::string torch_version;         ///< of the headers the addon was built with, as "2.13.0"
  std::string library;               ///< path of the loaded libtorch_cpu
  std::vector<std::string> devices;  ///< "cpu", then the accelerators that are there, as "cuda:0"
  int threads;                       ///< intra-operator threads
  std::string cpu_capability;        ///< the vector instructions chosen at run time, as "AVX2"
};
RuntimeInfo runtime_info();

/// The device of that name. Throws Error `ERR_DEVICE` where the name is malformed or there is no such device.
c10::Device expect_device(const std::string& name);

/// How many devices of this type there are; 0 where libtorch was built without it.
int device_count(c10::DeviceType type);

/// The device with an index: where it has none, that of its type which is current for this thread.
c10::Device with_index(c10::Device device);

/// Waits for all that was given to the device. Does nothing for the CPU.
void synchronize(c10::Device device);

}  // namespace sos
