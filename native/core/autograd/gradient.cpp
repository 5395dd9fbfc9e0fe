#include "core/autograd/gradient.h"

#include <torch/csrc/autograd/anomaly_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/distributed/gradient_reducer.h"

namespace sos {
namespace {

/// The engine's setting is for the whole process, so anomalies in the backwards of other threads are found
/// too.
class AnomalyGuard {
 public:
  explicit AnomalyGuard(bool enabled)
      : previous_(torch::autograd::AnomalyMode::is_enabled()), enabled_(enabled) {
    if (enabled_) torch::autograd::AnomalyMode::set_enabled(true, /*check_nan=*/true);
  }
  ~AnomalyGuard() {
    if (enabled_) torch::autograd::AnomalyMode::set_enabled(previous_, true);
  }
  AnomalyGuard(const AnomalyGuard&) = delete;
  AnomalyGuard& operator=(const AnomalyGuard&) = delete;

 private:
  const bool previous_;
  const bool enabled_;
};

}  // namespace

std::vector<at::Tensor> grad(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs,
                             const std::vector<at::Tensor>& grad_outputs, const GradOptions& options) {
  const AnomalyGuard guard(options.detect_anomaly);
  return torch::autograd::grad(outputs, inputs, grad_outputs, options.retain_graph || options.create_graph,
                               options.create_graph, options.allow_unused);
}

void backward(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs,
              const std::vector<at::Tensor>& grad_outputs, const GradOptions& options) {
  const AnomalyGuard guard(options.detect_anomaly);
  torch::autograd::backward(outputs, grad_outputs, options.retain_graph || options.create_graph,
                            options.create_graph, inputs);
  GradientReducer::expect_reduced();
}

}  // namespace sos
