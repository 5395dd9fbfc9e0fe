#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sos {

/// A collective that a rank begins, with its tensors.
struct CollectiveCall {
  /// If `words` is given, it stands for the first extent of each tensor, which may differ between ranks.
  CollectiveCall(const std::string& name, const std::vector<at::Tensor>& tensors,
                 const std::string& words = "");

  std::string
      text;       ///< for people: `allReduce(sum) of float32 [2, 3] on cpu`; it names only the first tensors
  uint64_t hash;  ///< of the same text with all tensors; equal on all machines
};

}  // namespace sos
