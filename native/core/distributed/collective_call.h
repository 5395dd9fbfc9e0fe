#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sos {

/// What a rank begins.
struct CollectiveCall {
  /// `words`, where given, stand for the first extents, which may differ between ranks.
  CollectiveCall(const std::string& name, const std::vector<at::Tensor>& tensors,
                 const std::string& words = "");

  std::string text;  ///< for people: `allReduce(sum) of float32 [2, 3] on cpu`, the first tensors of many
  uint64_t hash;     ///< of the same with all tensors; the same on all machines
};

}  // namespace sos
