#include "core/operators/arguments.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/jit_type.h>
#include <doctest/doctest.h>

#include "core/operators/map_tensors.h"

using c10::IValue;

namespace {

c10::impl::GenericList list_of(std::initializer_list<IValue> values) {
  c10::impl::GenericList list(c10::AnyType::get());
  for (const auto& value : values) list.push_back(value);
  return list;
}

c10::impl::GenericDict dict_of(std::initializer_list<std::pair<const char*, IValue>> entries) {
  c10::impl::GenericDict dict(c10::StringType::get(), c10::AnyType::get());
  for (const auto& [key, value] : entries) dict.insert(key, value);
  return dict;
}

c10::TupleTypePtr point_type() {
  return c10::TupleType::createNamed("__torch__.Point", std::vector<std::string>{"x", "label"},
                                     {c10::TensorType::get(), c10::IntType::get()});
}

}  // namespace

TEST_CASE("a NamedTuple is made of a list or of its fields") {
  const auto type = point_type();
  for (const IValue& loose :
       {IValue(list_of({at::ones({2}), 3})), IValue(dict_of({{"label", 3}, {"x", at::ones({2})}}))}) {
    const auto point = sos::as_type(loose, type);
    REQUIRE(point.has_value());
    CHECK(point->type()->isSubtypeOf(*type));
    CHECK(point->toTupleRef().elements()[0].toTensor().equal(at::ones({2})));
    CHECK(point->toTupleRef().elements()[1].toInt() == 3);
  }
  CHECK_FALSE(sos::as_type(list_of({at::ones({2})}), type));
  CHECK_FALSE(sos::as_type(list_of({at::ones({2}), "text"}), type));
  CHECK_FALSE(sos::as_type(dict_of({{"x", at::ones({2})}}), type));
  CHECK_FALSE(sos::as_type(dict_of({{"x", at::ones({2})}, {"label", 3}, {"more", 1}}), type));
}

TEST_CASE("a union takes the member that needs the least conversion") {
  const auto type = c10::UnionType::create({c10::FloatType::get(), c10::StringType::get()});
  CHECK(sos::as_type(2, type)->toDouble() == 2);
  CHECK(sos::as_type("text", type)->toStringRef() == "text");
  CHECK_FALSE(sos::as_type(true, type));
  const auto numbers = c10::UnionType::create({c10::FloatType::get(), c10::IntType::get()});
  CHECK(sos::as_type(2, numbers)->isInt());
  CHECK(sos::as_type(2.5, numbers)->isDouble());
}

TEST_CASE("dicts and lists take the types of the schema") {
  const auto type = c10::DictType::create(c10::StringType::get(), c10::FloatType::get());
  const auto floats = sos::as_type(dict_of({{"a", 1}, {"b", 2.5}}), type);
  REQUIRE(floats.has_value());
  CHECK((floats->toGenericDict().valueType()->kind() == c10::TypeKind::FloatType));
  CHECK(floats->toGenericDict().at("a").toDouble() == 1);
  CHECK_FALSE(sos::as_type(dict_of({{"a", "text"}}), type));
  CHECK_FALSE(sos::as_type(list_of({1}), type));
  CHECK(sos::as_type(list_of({at::ones({1})}), c10::ListType::ofTensors())->isTensorList());
  CHECK(sos::as_type(list_of({}), c10::ListType::ofInts())->isIntList());
  CHECK(sos::as_type(list_of({1, 2}), c10::ListType::ofFloats())->isDoubleList());
  CHECK_FALSE(sos::as_type(list_of({1, at::ones({1})}), c10::ListType::ofInts()));
  CHECK_FALSE(sos::as_type(1, c10::ListType::ofInts()));
}

TEST_CASE("an optional takes null, others do not") {
  CHECK(sos::as_type(IValue(), c10::OptionalType::create(c10::IntType::get()))->isNone());
  CHECK_FALSE(sos::as_type(IValue(), c10::IntType::get()));
  CHECK(sos::as_type(3, c10::OptionalType::create(c10::FloatType::get()))->toDouble() == 3);
}

TEST_CASE("each tensor in nested values is replaced, and containers keep their types") {
  const auto type = point_type();
  const auto point = c10::ivalue::Tuple::createNamed({at::ones({2}), 7}, type);
  c10::Dict<std::string, at::Tensor> dict;
  dict.insert("a", at::ones({1}));
  const IValue value = c10::ivalue::Tuple::create(
      {point, c10::List<at::Tensor>({at::ones({1}), at::Tensor()}), dict, "text", IValue()});
  const auto doubled = sos::map_tensors(value, [](const at::Tensor& tensor) { return tensor * 2; });
  const auto& elements = doubled.toTupleRef().elements();
  CHECK((*elements[0].type() == *type));
  CHECK(elements[0].toTupleRef().elements()[0].toTensor().equal(at::full({2}, 2.0)));
  CHECK(elements[0].toTupleRef().elements()[1].toInt() == 7);
  REQUIRE(elements[1].isTensorList());
  CHECK(elements[1].toTensorVector()[0].equal(at::full({1}, 2.0)));
  CHECK_FALSE(elements[1].toTensorVector()[1].defined());
  CHECK(elements[2].toGenericDict().at("a").toTensor().equal(at::full({1}, 2.0)));
  CHECK(elements[3].toStringRef() == "text");
  CHECK(elements[4].isNone());
  CHECK(point->elements()[0].toTensor().equal(at::ones({2})));
}
