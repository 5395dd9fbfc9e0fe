#pragma once
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace sos {

/// Whether gloo's headers were found when this was built. libtorch contains gloo's code, but not its headers.
bool has_gloo();

/// Connects to all other ranks, and returns when all of them have come. It uses the network interfaces that
/// `GLOO_SOCKET_IFNAME` names, else the interface of the host's name. Throws Error `ERR_NOT_BUILT`.
c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            std::chrono::milliseconds timeout);

}  // namespace sos
