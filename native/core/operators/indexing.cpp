#include "core/operators/indexing.h"

#include <ATen/TensorIndexing.h>

#include <vector>

#include "core/base/error.h"
#include "core/operators/arguments.h"

namespace sos {
namespace {

using at::indexing::TensorIndex;

std::optional<c10::SymInt> bound(const c10::IValue& value) {
  if (value.isNone()) return std::nullopt;
  if (value.isInt()) return c10::SymInt(value.toInt());
  throw Error("ERR_INDEX",
              "expected the bounds of a slice to be whole numbers but received " + describe(value));
}

TensorIndex to_index(const c10::IValue& value) {
  if (value.isInt()) return TensorIndex(value.toInt());
  if (value.isNone()) return TensorIndex(at::indexing::None);
  if (value.isBool()) return TensorIndex(value.toBool());
  if (value.isTensor()) return TensorIndex(value.toTensor());
  if (value.isString() && value.toStringRef() == "...") return TensorIndex(at::indexing::Ellipsis);
  if (value.isList() && value.toListRef().size() == 3) {
    const auto parts = value.toListRef();
    return TensorIndex(at::indexing::Slice(bound(parts[0]), bound(parts[1]), bound(parts[2])));
  }
  throw Error(
      "ERR_INDEX",
      "expected an index to be a whole number, a slice, null, '...', a boolean or a tensor but received " +
          describe(value));
}

/// libtorch's errors about the indices themselves get a code of their own.
template <class Body>
auto indexing(c10::ArrayRef<c10::IValue> indices, Body&& body) {
  try {
    std::vector<TensorIndex> converted;
    converted.reserve(indices.size());
    for (const auto& index : indices) converted.push_back(to_index(index));
    return body(converted);
  } catch (const c10::IndexError& error) {
    throw Error("ERR_INDEX", error.what_without_backtrace());
  } catch (const c10::ValueError& error) {
    throw Error("ERR_INDEX", error.what_without_backtrace());
  }
}

}  // namespace

at::Tensor get_item(const at::Tensor& tensor, c10::ArrayRef<c10::IValue> indices) {
  return indexing(indices, [&](const auto& converted) { return at::indexing::get_item(tensor, converted); });
}

void set_item(const at::Tensor& tensor, c10::ArrayRef<c10::IValue> indices, const c10::IValue& value) {
  indexing(indices, [&](const auto& converted) {
    const auto source =
        value.isTensor() ? value.toTensor()
                         : at::indexing::scalarToTensor(value.toScalar(), tensor.options(), tensor.device());
    at::indexing::set_item(tensor, converted, source);
  });
}

}  // namespace sos
