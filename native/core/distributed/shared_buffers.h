#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace sos {

/// Calls `collective`, which writes in place, on contiguous one-dimensional tensors that hold all `tensors`.
/// These are the tensors' own memory, or buffers that several tensors share and that are copied back. Each
/// collective costs a round trip, and dozens of small tensors should not pay it one by one.
void in_shared_buffers(const std::vector<at::Tensor>& tensors,
                       const std::function<void(const at::Tensor&)>& collective);

}  // namespace sos
