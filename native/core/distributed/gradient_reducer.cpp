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

/// How a bucket is reduced. c10d's own way would do, save that its wait for the others cannot be interrupted
/// and that its failures don't say of what.
class GradientReducer::MeanHook : public c10d::CppCommHookInterface<std::shared_ptr<ProcessGroup>> {
 public:
  MeanHook(std::shared_ptr<ProcessGroup> group, std::shared_ptr<bool> reduced)
      : CppCommHookInterface(std::move(group)), reduced_(std::move(reduced)) {}

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    const at::NoGradGuard guard;
    *reduced_ = bucket.isLast();  // buckets are begun in their order
    // Divided before it is summed, as in DistributedDataParallel: so that float16 does not overflow.
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
    throw Error(
        "ERR_PROCESS_GROUP",
        "expected one backward after each prepare() of a GradientReducer, but after the last one none came "
        "to its end");
  }
  const CollectiveCall call("GradientReducer.prepare(bucketBytes " + std::to_string(bucket_bytes_) + ")",
                            parameters_);
  group_->agree(call);
  if (reducer_ == nullptr) build();
  try {
    // Once, after the first backward: the buckets in the order in which rank 0's gradients came.
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
  throw Error("ERR_PROCESS_GROUP",
              "expected a backward after prepare() to reach all parameters of the GradientReducer, but " +
                  reducer->lacking() +
                  ": nothing is reduced then. Leave out what the loss does not depend on");
}

void GradientReducer::expect_leaves() const {
  std::unordered_set<const c10::TensorImpl*> seen;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto& parameter = parameters_[i];
    const bool leaf = parameter.is_leaf() && parameter.requires_grad();
    if (leaf && seen.insert(parameter.unsafeGetTensorImpl()).second) continue;
    throw Error("ERR_INVALID_ARGUMENT",
                "expected leaves that require gradients, each once, as parameters but the one at " +
                    std::to_string(i) + (leaf ? " comes twice" : " is none"));
  }
}

void GradientReducer::build() {
  expect_leaves();  // still: c10d's constructor would leave hooks behind where it throws
  const int64_t first_bytes = std::min<int64_t>(c10d::kDefaultFirstBucketBytes, bucket_bytes_);
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      parameters_, {static_cast<size_t>(first_bytes), static_cast<size_t>(bucket_bytes_)});
  // Gradients come in about the reverse order.
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
  return text.empty() ? "some got no gradient" : "those at " + text + " got no gradient";
}

}  // namespace sos
