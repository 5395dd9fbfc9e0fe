#include "core/operators/indexing.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

#include "core/base/error.h"

namespace {

using c10::IValue;

IValue slice(IValue start, IValue stop, IValue step) {
  c10::impl::GenericList parts(c10::AnyType::get());
  for (auto& part : {start, stop, step}) parts.push_back(part);
  return IValue(std::move(parts));
}

std::string code_of(const std::vector<IValue>& indices) {
  try {
    sos::get_item(at::zeros({3, 4}), indices);
  } catch (const sos::Error& error) {
    return error.code;
  }
  return "";
}

TEST_CASE("indices of every kind take what Python's brackets take") {
  const auto x = at::arange(24).view({2, 3, 4});
  const std::vector<IValue> mixed = {IValue(-1), slice({}, IValue(2), {}), IValue(), IValue("...")};
  CHECK(sos::get_item(x, mixed).equal(x.select(0, 1).slice(0, 0, 2).unsqueeze(1)));
  const std::vector<IValue> mask = {IValue(x.gt(20))};
  CHECK(sos::get_item(x, mask).equal(at::arange(21, 24)));
  CHECK(sos::get_item(x, {}).is_alias_of(x));
}

TEST_CASE("a number or a tensor is written to what an index takes") {
  auto x = at::zeros({2, 3});
  const std::vector<IValue> first = {IValue(0)};
  sos::set_item(x, first, IValue(2));
  const std::vector<IValue> column = {slice({}, {}, {}), IValue(-1)};
  sos::set_item(x, column, IValue(at::ones({2})));
  CHECK(x.equal(at::tensor({2.F, 2.F, 1.F, 0.F, 0.F, 1.F}).view({2, 3})));
}

TEST_CASE("an index of no valid kind, out of range or too many is refused with a code") {
  CHECK(code_of({IValue(3)}) == "ERR_INDEX");
  CHECK(code_of({IValue(0), IValue(0), IValue(0)}) == "ERR_INDEX");
  CHECK(code_of({IValue(0.5)}) == "ERR_INDEX");
  CHECK(code_of({IValue("x")}) == "ERR_INDEX");
  CHECK(code_of({slice({}, {}, IValue(0))}) == "ERR_INDEX");
  CHECK(code_of({slice(IValue(0.5), {}, {})}) == "ERR_INDEX");
}

}  // namespace
