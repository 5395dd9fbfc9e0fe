#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace sos {

/// A new generator on `device`. It draws what Python's `torch.Generator(device)` draws from the same seed.
at::Generator make_generator(c10::Device device, uint64_t seed);

/// The generator that operators on `device` draw from if they are given no other.
at::Generator default_generator(c10::Device device);

/// Seeds the default generators of the CPU and of all accelerators.
void manual_seed(uint64_t seed);

// These take the lock that drawing takes, so they may be called while another thread draws. random_seed()
// seeds the generator from the system's source of randomness and returns the seed.
void set_seed(at::Generator generator, uint64_t seed);
uint64_t random_seed(at::Generator generator);
uint64_t initial_seed(const at::Generator& generator);
at::Tensor random_state(const at::Generator& generator);
void set_random_state(at::Generator generator, const at::Tensor& state);

}  // namespace sos
