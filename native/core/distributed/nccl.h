#pragma once
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace sos {

/// Whether this was built with a libtorch for CUDA, and the headers of CUDA and NCCL were there.
bool has_nccl();

/// What moves tensors between CUDA devices, of which each rank has its own: the device of its tensors. Throws
/// Error `ERR_NOT_BUILT`, and `ERR_DEVICE` where there is no such device.
c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            std::chrono::milliseconds timeout);

}  // namespace sos
