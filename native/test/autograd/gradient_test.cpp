#include "core/autograd/gradient.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <doctest/doctest.h>

#include "core/context/storage_use.h"

TEST_CASE("a Hessian-vector product is the gradient of a gradient") {
  // f(x) = Σ x⁴, H = diag(12 x²)
  const auto x = at::arange(1, 4, at::kDouble).set_requires_grad(true);
  const auto v = at::tensor({1.0, -1.0, 2.0}, at::kDouble);
  const auto first = sos::grad({x.pow(4).sum()}, {x}, {}, {.create_graph = true});
  const auto product = sos::grad(first, {x}, {v}, {});
  CHECK(at::allclose(product[0], x.detach().square() * v * 12));
}

TEST_CASE("an unused input gets an undefined gradient on request") {
  const auto x = at::ones({1}).set_requires_grad(true), unused = at::ones({1}).set_requires_grad(true);
  const auto gradients = sos::grad({x.sum()}, {x, unused}, {}, {.allow_unused = true});
  CHECK(gradients[0].defined());
  CHECK_FALSE(gradients[1].defined());
  CHECK_THROWS(sos::grad({x.sum()}, {unused}, {}, {}));
}

TEST_CASE("the tensors that a gradient depends on are known") {
  const auto x = at::ones({2}).set_requires_grad(true), other = at::ones({2}).set_requires_grad(true);
  const auto y = x * 2, z = y.sum(), apart = other.sum();
  sos::StorageUse use("backward");
  CHECK_FALSE(use.differentiates(x));
  use.add_graph_of({z});
  for (const auto& tensor : {x, y, z}) CHECK(use.differentiates(tensor));
  for (const auto& tensor : {other, apart, at::ones({2}), at::Tensor()})
    CHECK_FALSE(use.differentiates(tensor));
}
