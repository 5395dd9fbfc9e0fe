#include "core/forward_hooks.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/irparser.h>

#include "core/error.h"

using torch::jit::Module;

namespace {

/// Two children of one type, the first called twice, the second only under a condition.
Module parent() {
  auto unit = std::make_shared<torch::jit::CompilationUnit>();
  Module child("__torch__.Child", unit);
  child.register_parameter("weight", at::full({2}, 2.0), false);
  child.define("def forward(self, x):\n    return x * self.weight\n");
  Module root("__torch__.Root", unit);
  root.register_module("left", child);
  root.register_module("right", child.copy());
  root.define(R"(
def forward(self, x, both: bool):
    y = self.left.forward(self.left.forward(x))
    if both:
        y = self.right.forward(y) + 1
    return y
)");
  return root;
}

std::vector<sos::Capture> run(const Module& module, std::vector<sos::Tap> taps, bool both,
                              at::Tensor* output = nullptr) {
  sos::HookedRun hooks{.taps = std::move(taps)};
  const sos::TappedMethod method(module, "forward", hooks.taps);
  const auto result = method.run({at::ones({2}), both}, hooks);
  if (output != nullptr) *output = result.toTensor();
  return hooks.captures;
}

}  // namespace

TEST_CASE("taps tell siblings of one type apart and see every call") {
  at::Tensor output;
  const auto captures = run(parent(), {{"left", false}, {"right", true}}, true, &output);
  REQUIRE(captures.size() == 3);
  CHECK(captures[0].tap == 0);
  CHECK(captures[0].value.toTensor().equal(at::full({2}, 2.0)));
  CHECK(captures[1].value.toTensor().equal(at::full({2}, 4.0)));
  CHECK(captures[2].tap == 1);
  CHECK(captures[2].value.toTupleRef().elements()[0].toTensor().equal(at::full({2}, 4.0)));
  CHECK(output.equal(at::full({2}, 9.0)));
}

TEST_CASE("a call that is not taken is not seen") {
  CHECK(run(parent(), {{"right", false}}, false).empty());
}

TEST_CASE("the root is tapped around the method") {
  const auto captures = run(parent(), {{"", true}, {"", false}}, false);
  REQUIRE(captures.size() == 2);
  CHECK(captures[0].value.toTupleRef().elements().size() == 2);
  CHECK(captures[1].value.toTensor().equal(at::full({2}, 4.0)));
}

TEST_CASE("gradients flow through a tap") {
  auto module = parent();
  const auto weight = module.attr("left").toModule().attr("weight").toTensor();
  weight.set_requires_grad(true);
  sos::HookedRun hooks{.taps = {{"left", false}}};
  const sos::TappedMethod method(module, "forward", hooks.taps);
  method.run({at::ones({2}), false}, hooks).toTensor().sum().backward();
  CHECK(weight.grad().equal(at::full({2}, 4.0)));  // d(w²)/dw at w = 2
}

TEST_CASE("the module's own graph stays as it was") {
  const auto module = parent();
  const auto before = module.get_method("forward").graph()->toString(false);
  run(module, {{"left", true}, {"left", false}}, true);
  CHECK(module.get_method("forward").graph()->toString(false) == before);
}

TEST_CASE("submodules are listed in the order of their calls") {
  CHECK(sos::called_submodules(parent(), "forward") == std::vector<std::string>{"left", "left", "right"});
}

TEST_CASE("a graph that calls the tap operator itself is refused, whatever it gives as the state") {
  for (const std::string state : {"int = prim::Constant[value=4096]()", "NoneType = prim::Constant()",
                                  "str = prim::Constant[value=\"state\"]()"}) {
    auto graph = std::make_shared<torch::jit::Graph>();
    torch::jit::parseIR("graph(%x : Tensor):\n  %site : int = prim::Constant[value=0]()\n  %state : " +
                            state + "\n  %y : Tensor = sos::tap(%x, %site, %state)\n  return (%y)\n",
                        graph.get());
    torch::jit::GraphFunction function("forged", graph, nullptr);
    torch::jit::Stack stack{at::ones({2})};
    CHECK_THROWS_WITH(function.run(stack), doctest::Contains("may not call sos::tap"));
  }
}

TEST_CASE("an unknown method is an error") {
  CHECK_THROWS_AS(sos::TappedMethod(parent(), "backward", {}), sos::Error);
  CHECK(sos::is_forward("forward12"));
  CHECK_FALSE(sos::is_forward("forward_features"));
}
