#include "core/device/random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <mutex>

#include "core/device/device.h"

namespace sos {

at::Generator make_generator(c10::Device device, uint64_t seed) {
  if (device.is_cpu()) return at::detail::createCPUGenerator(seed);
  auto& context = at::globalContext();
  context.lazyInitDevice(device.type());
  auto generator =
      context.getAcceleratorHooksInterface(device.type()).getNewGenerator(with_index(device).index());
  generator.set_current_seed(seed);
  return generator;
}

at::Generator default_generator(c10::Device device) {
  return at::globalContext().defaultGenerator(device.is_cpu() ? device : with_index(device));
}

void manual_seed(uint64_t seed) {
  at::manual_seed(seed);
}

void set_seed(at::Generator generator, uint64_t seed) {
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
}

uint64_t random_seed(at::Generator generator) {
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.seed();
}

uint64_t initial_seed(const at::Generator& generator) {
  return generator.current_seed();
}

at::Tensor random_state(const at::Generator& generator) {
  const std::lock_guard<std::mutex> lock(at::Generator(generator).mutex());
  return generator.get_state();
}

void set_random_state(at::Generator generator, const at::Tensor& state) {
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(state);
}

}  // namespace sos
