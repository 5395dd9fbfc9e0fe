#pragma once
#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <memory>
#include <vector>

#include "core/distributed/process_group.h"

namespace sos {

/// Takes the mean over a process group of the gradients that a backward accumulates, while the backward is
/// still running. It is c10d's Reducer, the core of DistributedDataParallel. It hooks the accumulation of
/// each parameter. When a bucket of gradients is full, the group's own threads reduce it. The engine waits
/// for all buckets at the end.
///
/// It is made, used and freed on the thread that runs the backwards, so hooks are never added or removed
/// during a backward.
class GradientReducer {
 public:
  /// A bucket holds at most `bucket_bytes`. The first one holds at most 1 MiB, so that the reduction begins
  /// soon. DistributedDataParallel does both. Throws Error `ERR_INVALID_ARGUMENT` if `parameters` are not
  /// distinct leaves that require gradients.
  GradientReducer(std::shared_ptr<ProcessGroup> group, std::vector<at::Tensor> parameters,
                  int64_t bucket_bytes);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// Makes the next backward of this thread a backward of all ranks. It is a collective, in which the ranks
  /// agree on the parameters. Throws Error `ERR_PROCESS_GROUP`.
  void prepare();

  /// Called after each backward. Throws Error `ERR_PROCESS_GROUP` if the backward was prepared and left a
  /// parameter without a gradient. Then the reduction did not finish, and the gradients are those of this
  /// rank alone.
  static void expect_reduced();

 private:
  class MeanHook;

  void expect_leaves() const;
  void build();
  std::string lacking() const;

  const std::shared_ptr<ProcessGroup> group_;
  const std::vector<at::Tensor> parameters_;
  const int64_t bucket_bytes_;
  // Whether the reduction of each bucket has begun.
  const std::shared_ptr<bool> reduced_ = std::make_shared<bool>(true);
  std::unique_ptr<c10d::Reducer> reducer_;
};

}  // namespace sos
