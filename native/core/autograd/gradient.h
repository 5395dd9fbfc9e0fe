#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace sos {

struct GradOptions {
  bool retain_graph = false;
  /// Makes the gradients themselves differentiable, as a Hessian-vector product needs.
  bool create_graph = false;
  bool allow_unused = false;    ///< gives an undefined tensor for an input that the outputs do not depend on
  bool detect_anomaly = false;  ///< makes NaN in a gradient an error that names the operator
};

/// The vector-Jacobian product of `outputs` with respect to `inputs`. Empty `grad_outputs` mean ones, for
/// scalar outputs.
std::vector<at::Tensor> grad(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs,
                             const std::vector<at::Tensor>& grad_outputs, const GradOptions& options);

/// The same, added to the `grad` of `inputs`, or of all leaves that the outputs depend on if `inputs` is
/// empty. After GradientReducer::prepare(), the gradients are the means over its group when this returns.
void backward(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs,
              const std::vector<at::Tensor>& grad_outputs, const GradOptions& options);

}  // namespace sos
