#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace sos {

/// A generator of its own on `device`, which draws what Python's `torch.Generator(device)` draws from its
/// seed.
at::Generator make_generator(c10::Device device, uint64_t seed);

/// The generator that operators on `device` draw from when they are given none.
at::Generator default_generator(c10::Device device);

/// Seeds the default generators of the CPU and of all accelerators.
void manual_seed(uint64_t seed);

// The same under the lock that drawing takes, so that they may be called while another thread draws.
void set_seed(at::Generator generator, uint64_t seed);
uint64_t random_seed(at::Generator generator);
uint64_t initial_seed(const at::Generator& generator);
at::Tensor random_state(const at::Generator& generator);
void set_random_state(at::Generator generator, const at::Tensor& state);

}  // namespace sos
