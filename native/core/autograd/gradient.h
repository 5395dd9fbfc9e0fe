#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace sos {

struct GradOptions {
  bool retain_graph = false;
  bool create_graph =
      false;  ///< the gradients are themselves differentiable: what a Hessian-vector product needs
  bool allow_unused = false;    ///< an input that the outputs don't depend on gets an undefined tensor
  bool detect_anomaly = false;  ///< NaN in a gradient is an error that names the operator
};

/// The vector-Jacobian product of `outputs` with respect to `inputs`; an empty `grad_outputs` means ones for
/// scalars.
std::vector<at::Tensor> grad(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs,
                             const std::vector<at::Tensor>& grad_outputs, const GradOptions& options);

/// The same, added to the `grad` of `inputs`, or, where there are none, of all leaves that the outputs depend
/// on. After GradientReducer::prepare() these are the means over its group once it returns.
void backward(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs,
              const std::vector<at::Tensor>& grad_outputs, const GradOptions& options);

}  // namespace sos
