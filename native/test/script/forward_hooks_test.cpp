#include "core/script/forward_hooks.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <doctest/doctest.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/irparser.h>

#include "core/base/error.h"

using c10::IValue;
using torch::jit::Module;

namespace {

/// Two children of one type. The first is called twice, the second only under a condition.
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
def overwrite(self, x):
    y = self.left.forward(x)
    kept = self.right.forward(y)
    y.add_(10)
    return y + kept
def consume(self, x):
    x.mul_(10)
    return x + 1
)");
  return root;
}

sos::Tap after(const std::string& path) {
  return {.path = path};
}

sos::Tap before(const std::string& path) {
  return {.path = path, .before = true};
}

sos::Tap replacing(sos::Tap tap) {
  tap.replaces = true;
  return tap;
}

IValue run(const Module& module, sos::HookedRun& run, bool both) {
  return sos::TappedMethod(module, "forward", run.taps).run({at::ones({2}), both}, run);
}

bool is_full(const IValue& value, double number) {
  return value.toTensor().equal(at::full({2}, number));
}

const IValue& element(const IValue& tuple, size_t index) {
  return tuple.toTupleRef().elements()[index];
}

}  // namespace

TEST_CASE("taps distinguish siblings of one type and see every call") {
  sos::HookedRun hooked{.taps = {after("left"), before("right")}};
  const auto output = run(parent(), hooked, true);
  REQUIRE(hooked.captures.size() == 3);
  CHECK(hooked.captures[0].tap == 0);
  CHECK(is_full(hooked.captures[0].value, 2));
  CHECK(is_full(hooked.captures[1].value, 4));
  CHECK(hooked.captures[2].tap == 1);
  CHECK(is_full(element(hooked.captures[2].value, 0), 4));
  CHECK(is_full(output, 9));
}

TEST_CASE("a call that is not taken is not seen") {
  sos::HookedRun hooked{.taps = {after("right")}};
  run(parent(), hooked, false);
  CHECK(hooked.captures.empty());
}

TEST_CASE("an expected tap without a call in any method is refused, others are silent") {
  auto module = parent();
  module.define("def idle(self, x):\n    return x\n");
  const auto call = [&](sos::Tap tap, bool expected) {
    tap.expected = expected;
    sos::HookedRun hooked{.taps = {tap}};
    sos::TappedMethod(module, "idle", hooked.taps).run({at::ones({2})}, hooked);
    return hooked.captures.size();
  };
  CHECK(call(after("left"), true) == 0);  // forward calls it
  sos::Tap other = after("left");
  other.method = "other";
  CHECK(call(other, false) == 0);
  CHECK_THROWS_WITH_AS(call(other, true), doctest::Contains("'forward'"), sos::Error);
}

TEST_CASE("the root is tapped around the method") {
  sos::HookedRun hooked{.taps = {before(""), after("")}};
  run(parent(), hooked, false);
  REQUIRE(hooked.captures.size() == 2);
  CHECK(hooked.captures[0].value.toTupleRef().elements().size() == 2);
  CHECK(is_full(hooked.captures[1].value, 4));
}

TEST_CASE("gradients flow through a tap") {
  auto module = parent();
  const auto weight = module.attr("left").toModule().attr("weight").toTensor();
  weight.set_requires_grad(true);
  sos::HookedRun hooked{.taps = {after("left")}};
  run(module, hooked, false).toTensor().sum().backward();
  CHECK(is_full(weight.grad(), 4));  // d(w²)/dw at w = 2
}

TEST_CASE("what a tap returns takes the place of the value") {
  SUBCASE("an output, at every call") {
    int asked = 0;
    sos::HookedRun hooked{.taps = {replacing(after("left"))},
                          .replace = [&](size_t tap, const IValue& value) -> std::optional<IValue> {
                            CHECK(tap == 0);
                            ++asked;
                            return IValue(value.toTensor() + 1);
                          }};
    CHECK(is_full(run(parent(), hooked, false), 7));  // (1·2 + 1)·2 + 1
    CHECK(asked == 2);
    CHECK(hooked.captures.empty());
  }
  SUBCASE("the inputs, as a tuple or a list") {
    sos::HookedRun hooked{.taps = {replacing(before("right"))},
                          .replace = [](size_t, const IValue& value) -> std::optional<IValue> {
                            c10::impl::GenericList inputs(c10::AnyType::get());
                            inputs.push_back(element(value, 0).toTensor() * 0);
                            return IValue(inputs);
                          }};
    CHECK(is_full(run(parent(), hooked, true), 1));
  }
  SUBCASE("the root's inputs and its output") {
    sos::HookedRun hooked{
        .taps = {replacing(before("")), replacing(after(""))},
        .replace = [](size_t tap, const IValue& value) -> std::optional<IValue> {
          if (tap == 1) return IValue(value.toTensor() - 1);
          return IValue(c10::ivalue::Tuple::create({IValue(at::full({2}, 3.0)), element(value, 1)}));
        }};
    CHECK(is_full(run(parent(), hooked, false), 11));  // 3·2·2 - 1
  }
  SUBCASE("nothing leaves it as it is") {
    sos::HookedRun hooked{
        .taps = {replacing(after("left"))},
        .replace = [](size_t, const IValue&) -> std::optional<IValue> { return std::nullopt; }};
    CHECK(is_full(run(parent(), hooked, false), 4));
  }
}

TEST_CASE("gradients flow through what a tap returns") {
  auto module = parent();
  const auto weight = module.attr("left").toModule().attr("weight").toTensor();
  weight.set_requires_grad(true);
  sos::HookedRun hooked{.taps = {replacing(after("left"))},
                        .replace = [](size_t, const IValue& value) -> std::optional<IValue> {
                          return IValue(value.toTensor() * 3);
                        }};
  run(module, hooked, false).toTensor().sum().backward();
  CHECK(is_full(weight.grad(), 36));  // d(9·w²)/dw at w = 2
}

TEST_CASE("a replacement of another type is an error, and so is what a listener throws") {
  struct Thrown {};
  sos::HookedRun hooked{
      .taps = {replacing(after("left"))},
      .replace = [](size_t, const IValue&) -> std::optional<IValue> { return IValue("text"); }};
  CHECK_THROWS_WITH_AS(run(parent(), hooked, false), doctest::Contains("'left'"), sos::Error);
  hooked.replace = [](size_t, const IValue&) -> std::optional<IValue> { throw Thrown(); };
  CHECK_THROWS_AS(run(parent(), hooked, false), Thrown);
  hooked.replace = [](size_t, const IValue&) -> std::optional<IValue> { return std::nullopt; };
  CHECK(is_full(run(parent(), hooked, false), 4));
}

TEST_CASE("a value that is overwritten later is captured as it was") {
  sos::HookedRun hooked{.taps = {after("left"), before("right"), after("right")}};
  const sos::TappedMethod method(parent(), "overwrite", hooked.taps);
  CHECK(is_full(method.run({at::ones({2})}, hooked), 16));
  REQUIRE(hooked.captures.size() == 3);
  CHECK(is_full(hooked.captures[0].value, 2));
  CHECK(is_full(element(hooked.captures[1].value, 0), 2));
  CHECK(is_full(hooked.captures[2].value, 4));
}

TEST_CASE(
    "a value that was not overwritten is captured itself, although something could have written to it") {
  const auto module = parent();
  sos::HookedRun hooked{.taps = {before("left"), before("")}};
  hooked.taps[1].method = "overwrite";
  const auto x = at::ones({2});
  sos::TappedMethod(module, "overwrite", hooked.taps).run({x}, hooked);
  REQUIRE(hooked.captures.size() == 2);
  for (const auto& capture : hooked.captures) CHECK(element(capture.value, 0).toTensor().is_same(x));
}

TEST_CASE("the root's inputs are captured as they were if the method overwrites them") {
  sos::Tap tap = before("");
  tap.method = "consume";
  sos::HookedRun hooked{.taps = {tap}};
  const auto x = at::ones({2});
  CHECK(is_full(sos::TappedMethod(parent(), "consume", hooked.taps).run({x}, hooked), 11));
  CHECK(is_full(x, 10));
  CHECK(is_full(element(hooked.captures.at(0).value, 0), 1));
}

TEST_CASE("the root is tapped only around the methods that a tap asks for") {
  sos::HookedRun hooked{.taps = {before("")}};
  sos::TappedMethod(parent(), "consume", hooked.taps).run({at::ones({2})}, hooked);
  CHECK(hooked.captures.empty());
}

TEST_CASE("captures are detached, reduced and moved as a tap asks") {
  auto module = parent();
  module.attr("left").toModule().attr("weight").toTensor().set_requires_grad(true);
  sos::Tap reduced = after("left");
  reduced.detach = true;
  reduced.reduce = "sum";
  reduced.device = c10::Device(c10::kCPU);
  sos::HookedRun hooked{.taps = {reduced, after("left")}};
  run(module, hooked, false);
  REQUIRE(hooked.captures.size() == 4);
  CHECK(hooked.captures[0].value.toTensor().item<double>() == 4);
  CHECK_FALSE(hooked.captures[0].value.toTensor().requires_grad());
  CHECK(hooked.captures[1].value.toTensor().requires_grad());
  hooked.taps[0].reduce = "max_pool2d";
  CHECK_THROWS_AS(run(module, hooked, false), sos::Error);
  hooked.taps[0].reduce = "aminmax";
  CHECK_THROWS_WITH_AS(run(module, hooked, false), doctest::Contains("'aminmax'"), sos::Error);
}

TEST_CASE("the module's own graph stays as it was") {
  const auto module = parent();
  const auto graph = module.get_method("forward").graph()->toString(false);
  sos::HookedRun hooked{.taps = {before("left"), after("left")}};
  run(module, hooked, true);
  CHECK(module.get_method("forward").graph()->toString(false) == graph);
}

TEST_CASE("submodules are listed in the order of their calls") {
  CHECK(sos::called_submodules(parent(), "forward") == std::vector<std::string>{"left", "left", "right"});
}

TEST_CASE("a graph that calls the tap operator itself is refused, whatever it passes as the state") {
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
  CHECK(sos::is_forward("forward__0"));
  CHECK_FALSE(sos::is_numbered_forward("forward__0"));
  CHECK_FALSE(sos::is_forward("forward_features"));
}
