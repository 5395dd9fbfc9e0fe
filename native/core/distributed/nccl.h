#pragma once
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace sos {

/// Whether this was built with a libtorch for CUDA and with the headers of CUDA and NCCL.
bool has_nccl();

/// Makes the backend that moves tensors between CUDA devices. Each rank has a device of its own, the device
/// of its tensors. Throws Error `ERR_NOT_BUILT`, or `ERR_DEVICE` if there is no CUDA device.
c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            std::chrono::milliseconds timeout);

}  // namespace sos
