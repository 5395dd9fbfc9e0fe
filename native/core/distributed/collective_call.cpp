#include "core/distributed/collective_call.h"

#include "core/base/dtype.h"

namespace sos {
namespace {

/// `float32 [2, 3] on cpu`. `first` may be a word for the first extent, which may differ between ranks.
std::string describe_tensor(const at::Tensor& tensor, const std::string& first = "") {
  std::string shape;
  for (int64_t i = 0; i < tensor.dim(); ++i) {
    if (i > 0) shape += ", ";
    shape += i == 0 && !first.empty() ? first : std::to_string(tensor.size(i));
  }
  return dtype_name(tensor.scalar_type()) + " [" + shape + "] on " +
         c10::DeviceTypeName(tensor.device().type(), /*lower_case=*/true);
}

}  // namespace

CollectiveCall::CollectiveCall(const std::string& name, const std::vector<at::Tensor>& tensors,
                               const std::string& words)
    : text(name), hash(14695981039346656037U) {
  constexpr size_t kShown = 3;
  const auto add = [this](const std::string& part) {  // FNV-1a
    for (const char c : part) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211U;
  };
  add(name);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto tensor = describe_tensor(tensors[i], words);
    add(", " + tensor);
    if (i < kShown) text += (i == 0 ? " of " : ", ") + tensor;
  }
  if (tensors.size() > kShown) text += " and " + std::to_string(tensors.size() - kShown) + " more";
}

}  // namespace sos
