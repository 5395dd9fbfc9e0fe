#include "core/distributed/shared_buffers.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/variable.h>

namespace sos {
namespace {

constexpr int64_t kBufferBytes = 25 * 1024 * 1024;  // DistributedDataParallel's size of a bucket

/// Groups the tensors that share a buffer: neighbours with one dtype and device, up to kBufferBytes.
std::vector<std::vector<at::Tensor>> in_buffers(const std::vector<at::Tensor>& tensors) {
  std::vector<std::vector<at::Tensor>> parts;
  int64_t bytes = 0;
  for (const auto& tensor : tensors) {
    if (tensor.numel() == 0) continue;
    const auto size = static_cast<int64_t>(tensor.nbytes());
    const bool joins = !parts.empty() && bytes + size <= kBufferBytes &&
                       parts.back()[0].scalar_type() == tensor.scalar_type() &&
                       parts.back()[0].device() == tensor.device();
    if (!joins) {
      parts.emplace_back();
      bytes = 0;
    }
    parts.back().push_back(tensor);
    bytes += size;
  }
  return parts;
}

}  // namespace

void in_shared_buffers(const std::vector<at::Tensor>& tensors,
                       const std::function<void(const at::Tensor&)>& collective) {
  const at::NoGradGuard guard;
  // Operators in place do this too. It lets autograd know that values it has saved are gone.
  for (const auto& tensor : tensors) torch::autograd::impl::bump_version(tensor);
  for (const auto& part : in_buffers(tensors)) {
    if (part.size() == 1 && part[0].is_contiguous()) {
      collective(part[0].detach().view({-1}));
      continue;
    }
    std::vector<at::Tensor> flat;
    for (const auto& tensor : part) flat.push_back(tensor.detach().reshape({-1}));
    const auto buffer = at::cat(flat);
    collective(buffer);
    int64_t offset = 0;
    for (const auto& tensor : part) {
      tensor.detach().copy_(buffer.narrow(0, offset, tensor.numel()).view(tensor.sizes()));
      offset += tensor.numel();
    }
  }
}

}  // namespace sos
