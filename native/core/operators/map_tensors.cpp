#include "core/operators/map_tensors.h"

namespace sos {

using c10::IValue;

c10::TupleTypePtr tuple_type_of(const IValue& tuple) {
  try {
    return tuple.type()->cast<c10::TupleType>();
  } catch (const c10::Error&) {
    return nullptr;
  }
}

IValue map_tensors(const IValue& value, const std::function<at::Tensor(const at::Tensor&)>& change) {
  if (value.isTensor()) return value.toTensor().defined() ? change(value.toTensor()) : value;
  if (value.isTuple()) {
    std::vector<IValue> elements;
    for (const IValue& element : value.toTupleRef().elements())
      elements.push_back(map_tensors(element, change));
    const auto type = tuple_type_of(value);
    return type ? c10::ivalue::Tuple::createNamed(std::move(elements), type)
                : c10::ivalue::Tuple::create(std::move(elements));
  }
  if (value.isTensorList() || value.isList()) {
    const auto list = value.toList();
    c10::impl::GenericList mapped(list.elementType());
    for (const IValue& element : list) mapped.push_back(map_tensors(element, change));
    return mapped;
  }
  if (value.isGenericDict()) {
    const auto dict = value.toGenericDict();
    c10::impl::GenericDict mapped(dict.keyType(), dict.valueType());
    for (const auto& entry : dict) mapped.insert(entry.key(), map_tensors(entry.value(), change));
    return mapped;
  }
  return value;
}

}  // namespace sos
