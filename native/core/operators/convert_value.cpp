#include "core/operators/convert_value.h"

#include <ATen/ScalarOps.h>
#include <ATen/core/jit_type.h>

#include <sstream>

#include "core/base/dtype.h"

namespace sos {
namespace {

using c10::IValue;
using c10::TypeKind;
using c10::TypePtr;

/// What it costs to convert a value. Overloads are tried in their order, and the cheapest one wins. So a
/// number reaches `add.Scalar` and not `add.Tensor`, as if it had a type.
enum Cost { kExact = 0, kIntAsFloat = 1, kScalarAsList = 2, kNumberAsTensor = 8, kAny = 16 };

std::optional<int> convert(const IValue& given, const TypePtr& type, std::optional<int32_t> broadcast,
                           IValue& out);

std::optional<int> take(const IValue& value, IValue& out, int cost = kExact) {
  out = value;
  return cost;
}

std::optional<int> convert_list(const IValue& given, const c10::ListType& type,
                                std::optional<int32_t> broadcast, IValue& out) {
  const TypePtr& element = type.getElementType();
  const bool symbolic = element->kind() == TypeKind::SymIntType;
  c10::impl::GenericList list(symbolic ? TypePtr(c10::IntType::get()) : element);
  if (!given.isList()) {
    // A schema such as int[2] takes one number for both items.
    IValue one;
    if (!broadcast || *broadcast < 1) return std::nullopt;
    const auto cost = convert(given, element, std::nullopt, one);
    if (!cost) return std::nullopt;
    for (int32_t i = 0; i < *broadcast; ++i) list.push_back(one);
    return take(IValue(std::move(list)), out, *cost + kScalarAsList);
  }
  int total = kExact;
  const auto values = given.toListRef();
  list.reserve(values.size());
  for (const IValue& value : values) {
    IValue converted;
    const auto cost = convert(value, element, std::nullopt, converted);
    if (!cost) return std::nullopt;
    total = std::max(total, *cost);
    list.push_back(std::move(converted));
  }
  return take(IValue(std::move(list)), out, total);
}

/// Converts a list, or for a NamedTuple a dict with the names of its fields.
std::optional<int> convert_tuple(const IValue& given, const c10::TupleTypePtr& type, IValue& out) {
  std::vector<IValue> values;
  if (given.isTuple()) {
    values = given.toTupleRef().elements().vec();
  } else if (given.isList()) {
    values = given.toListRef().vec();
  } else if (given.isGenericDict() && type->schema()) {
    const auto dict = given.toGenericDict();
    for (const auto& field : type->schema()->arguments()) {
      const auto found = dict.find(field.name());
      if (found != dict.end())
        values.push_back(found->value());
      else if (field.default_value())
        values.push_back(*field.default_value());
    }
    if (dict.size() > type->elements().size()) return std::nullopt;
  } else {
    return std::nullopt;
  }
  const auto types = type->elements();
  if (values.size() != types.size()) return std::nullopt;
  std::vector<IValue> elements(values.size());
  int total = kExact;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto cost = convert(values[i], types[i], std::nullopt, elements[i]);
    if (!cost) return std::nullopt;
    total = std::max(total, *cost);
  }
  return take(c10::ivalue::Tuple::createNamed(std::move(elements), type), out, total);
}

/// Converts to the member of the union that costs least.
std::optional<int> convert_union(const IValue& given, const c10::UnionType& type, IValue& out) {
  std::optional<int> best;
  for (const TypePtr& member : type.getTypes()) {
    IValue candidate;
    const auto cost = convert(given, member, std::nullopt, candidate);
    if (!cost || (best && *cost >= *best)) continue;
    best = cost;
    out = std::move(candidate);
  }
  return best;
}

std::optional<int> convert_dict(const IValue& given, const c10::DictType& type, IValue& out) {
  if (!given.isGenericDict()) return std::nullopt;
  c10::impl::GenericDict dict(type.getKeyType(), type.getValueType());
  int total = kExact;
  for (const auto& entry : given.toGenericDict()) {
    IValue key, value;
    const auto key_cost = convert(entry.key(), type.getKeyType(), std::nullopt, key);
    const auto value_cost = convert(entry.value(), type.getValueType(), std::nullopt, value);
    if (!key_cost || !value_cost) return std::nullopt;
    total = std::max({total, *key_cost, *value_cost});
    dict.insert(std::move(key), std::move(value));
  }
  return take(IValue(std::move(dict)), out, total);
}

/// Callers write the names of a schema's enumerations; the values travel as ints.
template <class T>
std::optional<int> convert_name(const IValue& given, std::optional<T> (*parse)(const std::string&),
                                IValue& out) {
  if (!given.isString()) return std::nullopt;
  const auto value = parse(given.toStringRef());
  if (!value) return std::nullopt;
  return take(IValue(static_cast<int64_t>(*value)), out);
}

/// Callers pass the value of a member of an enumeration.
std::optional<int> convert_enum(const IValue& given, const c10::EnumTypePtr& type, IValue& out) {
  if (!given.isString() && !given.isInt() && !given.isDouble()) return std::nullopt;
  for (const auto& [name, value] : type->enumNamesValues()) {
    if (given.tagKind() != value.tagKind() || !(given == value)) continue;
    return take(IValue(c10::make_intrusive<c10::ivalue::EnumHolder>(type, name, value)), out);
  }
  return std::nullopt;
}

std::optional<int> convert(const IValue& given, const TypePtr& type, std::optional<int32_t> broadcast,
                           IValue& out) {
  switch (type->kind()) {
    case TypeKind::OptionalType:
      if (given.isNone()) return take(given, out);
      return convert(given, type->expectRef<c10::OptionalType>().getElementType(), broadcast, out);
    case TypeKind::TensorType:
      if (given.isTensor()) return take(given, out);
      if (given.isInt() || given.isDouble() || given.isBool() || given.isComplexDouble()) {
        return take(at::native::wrapped_scalar_tensor(given.toScalar()), out, kNumberAsTensor);
      }
      return std::nullopt;
    case TypeKind::NumberType:
      if (given.isScalar() || given.isBool()) return take(given, out);
      return std::nullopt;
    case TypeKind::IntType:
    case TypeKind::SymIntType:
      if (given.isInt()) return take(given, out);
      return std::nullopt;
    case TypeKind::FloatType:
    case TypeKind::SymFloatType:
      if (given.isDouble()) return take(given, out);
      if (given.isInt()) return take(IValue(static_cast<double>(given.toInt())), out, kIntAsFloat);
      return std::nullopt;
    case TypeKind::ComplexType:
      if (given.isComplexDouble()) return take(given, out);
      if (given.isDouble()) return take(IValue(c10::complex<double>(given.toDouble())), out, kIntAsFloat);
      if (given.isInt()) {
        return take(IValue(c10::complex<double>(static_cast<double>(given.toInt()))), out, kIntAsFloat);
      }
      return std::nullopt;
    case TypeKind::BoolType:
    case TypeKind::SymBoolType:
      if (given.isBool()) return take(given, out);
      return std::nullopt;
    case TypeKind::StringType:
      if (given.isString()) return take(given, out);
      return std::nullopt;
    case TypeKind::ScalarTypeType:
      return convert_name<at::ScalarType>(given, parse_dtype, out);
    case TypeKind::LayoutType:
      return convert_name<at::Layout>(given, parse_layout, out);
    case TypeKind::MemoryFormatType:
      return convert_name<at::MemoryFormat>(given, parse_memory_format, out);
    case TypeKind::DeviceObjType:
      if (given.isDevice()) return take(given, out);
      if (given.isString()) {
        if (const auto device = parse_device(given.toStringRef())) return take(*device, out);
      }
      return std::nullopt;
    case TypeKind::GeneratorType:
      if (given.isGenerator()) return take(given, out);
      return std::nullopt;
    case TypeKind::ListType:
      return convert_list(given, type->expectRef<c10::ListType>(), broadcast, out);
    case TypeKind::TupleType:
      return convert_tuple(given, type->expect<c10::TupleType>(), out);
    case TypeKind::DictType:
      return convert_dict(given, type->expectRef<c10::DictType>(), out);
    case TypeKind::UnionType:
      return convert_union(given, type->expectRef<c10::UnionType>(), out);
    case TypeKind::NoneType:
      if (given.isNone()) return take(given, out);
      return std::nullopt;
    case TypeKind::EnumType:
      if (given.isEnum()) return given.type()->isSubtypeOf(*type) ? take(given, out) : std::nullopt;
      return convert_enum(given, type->expect<c10::EnumType>(), out);
    case TypeKind::AnyType:
      return take(given, out, kAny);
    default:
      if (given.type()->isSubtypeOf(*type)) return take(given, out);
      return std::nullopt;
  }
}

}  // namespace

std::optional<int> convert_value(const IValue& given, const TypePtr& type, std::optional<int32_t> broadcast,
                                 IValue& out) {
  return convert(given, type, broadcast, out);
}

std::optional<IValue> as_type(const IValue& value, const TypePtr& type) {
  IValue fitting;
  if (!convert(value, type, std::nullopt, fitting)) return std::nullopt;
  return fitting;
}

std::string describe(const IValue& value) {
  std::ostringstream text;
  if (value.isTensor()) {
    const auto& tensor = value.toTensor();
    if (!tensor.defined()) return "an undefined Tensor";
    text << "Tensor" << tensor.sizes() << ' ' << dtype_name(tensor.scalar_type());
  } else if (value.isNone()) {
    text << "null";
  } else if (value.isInt()) {
    text << "int " << value.toInt();
  } else if (value.isDouble()) {
    text << "float " << value.toDouble();
  } else if (value.isBool()) {
    text << (value.toBool() ? "true" : "false");
  } else if (value.isString()) {
    text << '\'' << value.toStringRef().substr(0, 60) << '\'';
  } else if (value.isList()) {
    const auto values = value.toListRef();
    text << "list of " << values.size();
    if (!values.empty()) text << " (first: " << describe(values[0]) << ')';
  } else {
    text << value.tagKind();
  }
  return text.str();
}

}  // namespace sos
