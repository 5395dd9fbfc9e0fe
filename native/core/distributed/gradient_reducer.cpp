#include "core/distributed/gradient_reducer.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "core/base/error.h"

namespace sos {
namespace {

thread_local GradientReducer* prepared = nullptr;

}  // namespace

/// How a bucket is reduced. c10d's own way has two faults: its wait for the other ranks cannot be
/// interrupted, and its errors do not say what failed.
class GradientReducer::MeanHook : public c10d::CppCommHookInterface<std::shared_ptr<ProcessGroup>> {
 public:
  MeanHook(std::shared_ptr<ProcessGroup> group, std::shared_ptr<bool> reduced)
      : CppCommHookInterface(std::move(group)), reduced_(std::move(reduced)) {}

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    const at::NoGradGuard guard;
    *reduced_ = bucket.isLast();  // the buckets are reduced in their order
    // The gradients are divided before they are summed, as in DistributedDataParallel, so that float16 does
    // not overflow.
    std::vector<at::Tensor> gradients = {bucket.getBufferRef().div_(state_->size())};
    return state_->finished(state_->group()->allreduce(gradients), "the reduction of gradients");
  }

 private:
  const std::shared_ptr<bool> reduced_;
};

GradientReducer::GradientReducer(std::shared_ptr<ProcessGroup> group, std::vector<at::Tensor> parameters,
                                 int64_t bucket_bytes)
    : group_(std::move(group)), parameters_(std::move(parameters)), bucket_bytes_(bucket_bytes) {
  expect_leaves();
}

GradientReducer::~GradientReducer() {
  if (prepared == this) prepared = nullptr;
}

void GradientReducer::prepare() {
  if (!*reduced_) {
    group_->give_up();
    throw Error("ERR_PROCESS_GROUP",
                "expected one backward after each prepare() of a GradientReducer, but after the last "
                "prepare() no backward was completed");
  }
  const CollectiveCall call("GradientReducer.prepare(bucketBytes " + std::to_string(bucket_bytes_) + ")",
                            parameters_);
  group_->agree(call);
  if (reducer_ == nullptr) build();
  try {
    // After the first backward, this puts the buckets into the order in which rank 0's gradients came, once.
    reducer_->rebuild_buckets();
  } catch (...) {
    throw group_->failure(call.text, std::current_exception());
  }
  reducer_->prepare_for_backward({});
  *reduced_ = false;
  prepared = this;
}

void GradientReducer::expect_reduced() {
  const auto* reducer = std::exchange(prepared, nullptr);
  if (reducer == nullptr || *reducer->reduced_) return;
  reducer->group_->give_up();
  throw Error(
      "ERR_PROCESS_GROUP",
      "expected a backward after prepare() to reach all parameters of the GradientReducer, but " +
          reducer->lacking() +
          ", so the gradients were not reduced. Leave out the parameters that the loss does not depend on");
}

void GradientReducer::expect_leaves() const {
  std::unordered_set<const c10::TensorImpl*> seen;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto& parameter = parameters_[i];
    const bool leaf = parameter.is_leaf() && parameter.requires_grad();
    if (leaf && seen.insert(parameter.unsafeGetTensorImpl()).second) continue;
    throw Error("ERR_INVALID_ARGUMENT",
                "expected distinct leaves that require gradients as parameters, but the parameter at " +
                    std::to_string(i) +
                    (leaf ? " was given twice" : " is not a leaf that requires gradients"));
  }
}

void GradientReducer::build() {
  expect_leaves();  // checked again, since c10d's constructor leaves hooks behind if it throws
  const int64_t first_bytes = std::min<int64_t>(c10d::kDefaultFirstBucketBytes, bucket_bytes_);
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      parameters_, {static_cast<size_t>(first_bytes), static_cast<size_t>(bucket_bytes_)});
  // The gradients come in about the reverse order.
  std::reverse(buckets.begin(), buckets.end());
  reducer_ = std::make_unique<c10d::Reducer>(
      parameters_, buckets, group_->group(), std::vector<bool>(parameters_.size(), false), bucket_bytes_,
      /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/false,
      std::unordered_map<size_t, std::string>(), first_bytes, /*skip_all_reduce_unused_params=*/false,
      /*use_python_reducer=*/false, std::vector<int64_t>());
  reducer_->register_comm_hook(std::make_unique<MeanHook>(group_, reduced_));
}

std::string GradientReducer::lacking() const {
  std::string text;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i].grad().defined()) text += (text.empty() ? "" : ", ") + std::to_string(i);
  }
  return text.empty() ? "some of them got no gradient" : "the parameters at " + text + " got no gradient";
}

}  // namespace sos
