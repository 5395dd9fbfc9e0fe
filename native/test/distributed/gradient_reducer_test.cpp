#include "core/distributed/gradient_reducer.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <doctest/doctest.h>

#include "core/autograd/gradient.h"
#include "test/distributed/ranks.h"

using sos::test::code_of, sos::test::Group, sos::test::run_ranks;

TEST_CASE("a reducer takes the mean of gradients over ranks") {
  run_ranks(2, [](const Group& group) {
    const auto a = at::arange(40, at::kDouble).set_requires_grad(true);
    const auto b = at::ones({3}, at::kDouble).set_requires_grad(true);
    sos::GradientReducer reducer(group, {a, b}, 64);
    for (int step = 1; step <= 3; ++step) {
      a.mutable_grad().reset();
      b.mutable_grad().reset();
      reducer.prepare();
      const double factor = step * (group->rank() + 1);
      sos::backward({(a * b.sum()).sum() * factor}, {}, {}, {});
      // d/da = 3 · factor, d/db = Σ a · factor, with the mean factor 1.5 · step
      CHECK(at::allclose(a.grad(), at::full({40}, 4.5 * step, at::kDouble)));
      CHECK(at::allclose(b.grad(), at::full({3}, 780 * 1.5 * step, at::kDouble)));
    }
  });
}

TEST_CASE("a backward that leaves out a parameter is refused") {
  run_ranks(2, [](const Group& group) {
    const auto a = at::ones({2}).set_requires_grad(true), b = at::ones({2}).set_requires_grad(true);
    CHECK(code_of([&] { sos::GradientReducer(group, {a, a}, 64); }) == "ERR_INVALID_ARGUMENT");
    CHECK(code_of([&] { sos::GradientReducer(group, {a, a * 2}, 64); }) == "ERR_INVALID_ARGUMENT");
    sos::GradientReducer reducer(group, {a, b}, 64);
    reducer.prepare();
    CHECK(code_of([&] { sos::backward({a.sum()}, {}, {}, {}); }) == "ERR_PROCESS_GROUP");
  });
}
