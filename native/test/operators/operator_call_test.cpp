#include "core/operators/operator_call.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

#include "core/base/error.h"

using c10::IValue;
using sos::OperatorPacket;

namespace {

c10::impl::GenericList list_of(std::initializer_list<IValue> values) {
  c10::impl::GenericList list(c10::AnyType::get());
  for (const auto& value : values) list.push_back(value);
  return list;
}

std::string refusal(const std::string& name, const sos::Arguments& arguments) {
  try {
    OperatorPacket::find(name).call(arguments);
  } catch (const sos::Error& error) {
    CHECK(error.code == "ERR_OPERATOR_ARGUMENTS");
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("an operator is called with positional and keyword arguments") {
  const auto x = at::full({2}, 3.0), y = at::full({2}, 4.0);
  const auto sum = OperatorPacket::find("aten::add").call({{x, y}, {{"alpha", IValue(2)}}});
  REQUIRE(sum.size() == 1);
  CHECK(sum[0].toTensor().equal(at::full({2}, 11.0)));
}

TEST_CASE("a number reaches the scalar overload and keeps an integer tensor's dtype") {
  const auto sum = OperatorPacket::find("aten::add").call({{at::arange(3), IValue(2)}, {}});
  CHECK((sum[0].toTensor().scalar_type() == at::kLong));
  CHECK(sum[0].toTensor().equal(at::arange(2, 5)));
}

TEST_CASE("loose values become what the schema asks for") {
  SUBCASE("a whole number becomes a float") {
    const auto y = OperatorPacket::find("aten::leaky_relu").call({{at::full({1}, -1.0), IValue(2)}, {}});
    CHECK(y[0].toTensor().item<double>() == -2.0);
  }
  SUBCASE("one number fills a list of two") {
    const auto y = OperatorPacket::find("aten::max_pool2d").call({{at::rand({1, 1, 4, 4}), IValue(2)}, {}});
    CHECK(y[0].toTensor().sizes() == at::IntArrayRef({1, 1, 2, 2}));
  }
  SUBCASE("names become dtypes and devices") {
    const auto y = OperatorPacket::find("aten::zeros")
                       .call({{list_of({2, 3})}, {{"dtype", IValue("float64")}, {"device", IValue("cpu")}}});
    CHECK((y[0].toTensor().scalar_type() == at::kDouble));
  }
  SUBCASE("a list of tensors") {
    const auto y =
        OperatorPacket::find("aten::cat").call({{list_of({at::ones({1}), at::zeros({2})}), IValue(0)}, {}});
    CHECK(y[0].toTensor().sizes() == at::IntArrayRef({3}));
  }
  SUBCASE("a list of optional tensors") {
    const auto y = OperatorPacket::find("aten::index")
                       .call({{at::arange(6).view({2, 3}), list_of({IValue(), at::tensor({2})})}, {}});
    CHECK(y[0].toTensor().sizes() == at::IntArrayRef({2, 1}));
  }
}

TEST_CASE("several results come as several values, in-place operators write") {
  CHECK(OperatorPacket::find("aten::max").call({{at::rand({3, 4}), IValue(1)}, {}}).size() == 2);
  const auto x = at::zeros({2});
  OperatorPacket::find("aten::add_").call({{x, IValue(1)}, {}});
  CHECK(x.equal(at::ones({2})));
}

TEST_CASE("a call that fits no overload says which argument failed") {
  CHECK(refusal("aten::relu", {{IValue("x")}, {}}).find("'self' expects Tensor but received 'x'") !=
        std::string::npos);
  CHECK(refusal("aten::relu", {{}, {}}).find("'self' (Tensor) is missing") != std::string::npos);
  CHECK(refusal("aten::relu", {{at::ones({1}), IValue(1)}, {}}).find("at most 1 positional") !=
        std::string::npos);
  CHECK(refusal("aten::relu", {{at::ones({1})}, {{"slope", IValue(1)}}}).find("no argument 'slope'") !=
        std::string::npos);
  CHECK(refusal("aten::relu", {{at::ones({1})}, {{"self", at::ones({1})}}}).find("given twice") !=
        std::string::npos);
}

TEST_CASE("an unknown operator is an error") {
  CHECK_THROWS_WITH_AS(OperatorPacket::find("aten::no_such_thing"), doctest::Contains("no_such_thing"),
                       sos::Error);
}

TEST_CASE("all operators of the dispatcher are listed") {
  CHECK(sos::operator_schemas().size() > 3000);
}
