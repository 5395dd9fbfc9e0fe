#pragma once
#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <memory>
#include <vector>

#include "core/distributed/process_group.h"

namespace sos {

/// Takes the mean over a process group of the gradients that a backward accumulates, while the backward goes
/// on: c10d's Reducer, the heart of DistributedDataParallel. It hooks each parameter's accumulation; a bucket
/// of gradients that is full is reduced by the group's own threads, and the engine waits for all buckets at
/// the end.
///
/// It is made, used and freed on the thread that runs the backwards: hooks come and go under none.
class GradientReducer {
 public:
  /// Buckets hold at most `bucket_bytes`, the first at most 1 MiB, so that the reduction begins soon; both
  /// are DistributedDataParallel's. Throws Error `ERR_INVALID_ARGUMENT` where `parameters` are not different
  /// leaves that require gradients.
  GradientReducer(std::shared_ptr<ProcessGroup> group, std::vector<at::Tensor> parameters,
                  int64_t bucket_bytes);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// The next backward of this thread is one of all ranks. A collective, by which the ranks agree on the
  /// parameters. Throws Error `ERR_PROCESS_GROUP`.
  void prepare();

  /// Called after each backward. Throws Error `ERR_PROCESS_GROUP` where it was prepared and has left a
  /// parameter without a gradient: then the reduction did not come to its end, and the gradients are this
  /// rank's own.
  static void expect_reduced();

 private:
  class MeanHook;

  void expect_leaves() const;
  void build();
  std::string lacking() const;

  const std::shared_ptr<ProcessGroup> group_;
  const std::vector<at::Tensor> parameters_;
  const int64_t bucket_bytes_;
  const std::shared_ptr<bool> reduced_ = std::make_shared<bool>(true);  // whether each bucket was begun
  std::unique_ptr<c10d::Reducer> reducer_;
};

}  // namespace sos
