#include "core/device/random.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

TEST_CASE("a new generator draws from its seed and does not change the global one") {
  sos::manual_seed(1);
  const auto before = sos::random_state(sos::default_generator(at::kCPU));
  const auto generator = sos::make_generator(at::kCPU, 7);
  const auto first = at::randn({4}, generator);
  CHECK(at::equal(before, sos::random_state(sos::default_generator(at::kCPU))));
  sos::set_seed(generator, 7);
  CHECK(at::equal(at::randn({4}, generator), first));
  CHECK(sos::initial_seed(generator) == 7);
  const auto chosen = sos::random_seed(generator);
  CHECK(sos::initial_seed(generator) == chosen);
}

TEST_CASE("a generator continues from a state") {
  sos::manual_seed(2);
  const auto source = sos::default_generator(at::kCPU);
  const auto state = sos::random_state(source);
  const auto first = at::randn({4});
  sos::set_random_state(source, state);
  CHECK(at::equal(at::randn({4}), first));
  CHECK_THROWS(sos::set_random_state(source, at::zeros({3}, at::kByte)));
}
