#pragma once
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace sos {

/// Connects to all other ranks, and returns when all of them have come. It uses the network interfaces that
/// `GLOO_SOCKET_IFNAME` names, else the interface of the host's name.
c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            std::chrono::milliseconds timeout);

}  // namespace sos
