#include "core/map_tensors.h"

#include <ATen/core/jit_type.h>

namespace sos {

using c10::IValue;

IValue map_tensors(const IValue& value, const std::function<at::Tensor(const at::Tensor&)>& change) {
  if (value.isTensor()) return value.toTensor().defined() ? change(value.toTensor()) : value;
  if (value.isTuple()) {
    std::vector<IValue> elements;
    for (const IValue& element : value.toTupleRef().elements())
      elements.push_back(map_tensors(element, change));
    return c10::ivalue::Tuple::createNamed(std::move(elements), value.type()->expect<c10::TupleType>());
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
