#include "core/gradient.h"

#include <torch/csrc/autograd/autograd.h>

namespace sos {

std::vector<at::Tensor> grad(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs,
                             const std::vector<at::Tensor>& grad_outputs, const GradOptions& options) {
  return torch::autograd::grad(outputs, inputs, grad_outputs, options.retain_graph || options.create_graph,
                               options.create_graph, options.allow_unused);
}

}  // namespace sos
