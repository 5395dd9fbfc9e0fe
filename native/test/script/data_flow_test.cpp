#include "core/script/data_flow.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

#include "core/base/error.h"

using torch::jit::Module;

namespace {

/// A child with a weight and a list that is not constant, called under a condition and in a loop.
Module parent() {
  auto unit = std::make_shared<torch::jit::CompilationUnit>();
  Module child("__torch__.Child", unit);
  child.register_parameter("weight", at::ones({2, 2}), false);
  child.register_attribute("bias", c10::OptionalType::ofTensor(), c10::IValue());
  child.register_attribute("dims", c10::ListType::ofInts(), std::vector<int64_t>{0, 1});
  child.define(R"(
def forward(self, x):
    y = torch.linear(x, self.weight, self.bias)
    return torch.cat([y.sum(self.dims), self.weight[0]])
)");
  Module root("__torch__.Root", unit);
  root.register_module("child", child);
  root.define(R"(
def forward(self, x, both: bool):
    if both:
        x = self.child.forward(torch.relu(x))
    for i in range(3):
        x = torch.linear(x, self.child.weight)
    return x
)");
  return root;
}

std::vector<sos::OperatorCall> calls_named(const std::string& name) {
  auto calls = sos::data_flow(parent(), "forward").calls;
  calls.erase(std::remove_if(calls.begin(), calls.end(), [&](const auto& call) { return call.name != name; }),
              calls.end());
  return calls;
}

const sos::ArgumentSource& argument(const sos::OperatorCall& call, const std::string& name) {
  for (const auto& [known, source] : call.arguments) {
    if (known == name) return source;
  }
  FAIL("no argument " << name);
  throw std::logic_error(name);
}

}  // namespace

TEST_CASE(
    "operators are listed through submodules, conditions and loops, with the origins of their arguments") {
  const auto linears = calls_named("aten::linear");
  REQUIRE(linears.size() == 2);
  CHECK(argument(linears[0], "input").result_of == "aten::relu");
  CHECK(argument(linears[0], "weight").attribute == "child.weight");
  CHECK(argument(linears[0], "bias").value->isNone());
  CHECK(argument(linears[1], "weight").attribute == "child.weight");
  CHECK_FALSE(argument(linears[1], "weight").input);
  const auto relu = calls_named("aten::relu");
  CHECK(argument(relu.at(0), "self").input == 0);
}

TEST_CASE("constant lists are values, other lists have items") {
  const auto sum = calls_named("aten::sum");
  CHECK(argument(sum.at(0), "dim").value->toIntVector() == std::vector<int64_t>{0, 1});
  const auto cat = calls_named("aten::cat");
  const auto& items = argument(cat.at(0), "tensors").items;
  REQUIRE(items);
  CHECK(items->at(0).result_of == "aten::sum");
  CHECK(items->at(1).result_of == "aten::select");
  CHECK(argument(cat.at(0), "dim").value->toInt() == 0);
}

namespace {

/// Conditions on a known attribute, on `training` and on an input; a tuple, a list and a dictionary.
Module chooser() {
  auto unit = std::make_shared<torch::jit::CompilationUnit>();
  Module child("__torch__.Child", unit);
  child.register_parameter("weight", at::ones({2, 2}), false);
  child.define(R"(
def forward(self, x):
    return torch.linear(x, self.weight)
)");
  Module root("__torch__.Root", unit);
  root.register_module("child", child);
  root.register_attribute("wide", c10::BoolType::get(), false);
  root.register_attribute("training", c10::BoolType::get(), true);
  root.define(R"(
def forward(self, x, both: bool):
    z = self.child.forward(x)
    if self.training:
        z = torch.dropout_(z, 0.5, True)
    if not self.wide:
        z = torch.relu(z)
    if both:
        z = torch.sigmoid(z)
    pair = (z, x)
    first, second = pair
    return {"logits": first, "parts": torch.chunk(second, 2)[0]}
)");
  return root;
}

}  // namespace

TEST_CASE("the result is followed through tuples, dictionaries and conditions, as in eval mode") {
  const auto flow = sos::data_flow(chooser(), "forward");
  REQUIRE(flow.result.entries);
  const auto& entries = *flow.result.entries;
  REQUIRE(entries.size() == 4);
  CHECK(entries[0].value->toStringRef() == "logits");
  REQUIRE(entries[1].choices);
  std::vector<std::string> names;
  for (const auto& choice : *entries[1].choices) names.push_back(flow.calls.at(choice.call.value()).name);
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"aten::relu", "aten::sigmoid"});
  const auto relu = std::find_if(flow.calls.begin(), flow.calls.end(),
                                 [](const auto& call) { return call.name == "aten::relu"; });
  REQUIRE(relu != flow.calls.end());
  CHECK(flow.calls.at(argument(*relu, "self").call.value()).name == "aten::linear");
}

TEST_CASE("calls name the module whose code contains them, and whether eval mode skips them") {
  const auto flow = sos::data_flow(chooser(), "forward");
  CHECK(flow.calls.at(0).name == "aten::linear");
  CHECK(flow.calls.at(0).module == "child");
  CHECK_FALSE(flow.calls.at(0).skipped);
  CHECK(flow.calls.at(1).name == "aten::dropout_");
  CHECK(flow.calls.at(1).module.empty());
  CHECK(flow.calls.at(1).skipped);
}

TEST_CASE("a missing method is an error") {
  CHECK_THROWS_AS(sos::data_flow(parent(), "backward"), sos::Error);
}
