#pragma once
#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/distributed/collective_call.h"
#include "core/distributed/interrupt.h"

namespace sos {

/// Where the processes of a group find one another: a key-value store that one of them, or another process,
/// serves.
struct MeetingPoint {
  std::string host;
  uint16_t port = 0;
  bool serves = false;  ///< whether this process serves the store
  std::string prefix;   ///< of the keys; each group of a run has its own prefix
};

struct Membership {
  std::string backend;  ///< `gloo` or `nccl`
  int rank = 0;
  int size = 1;
  std::chrono::milliseconds timeout;  ///< for each wait for the other ranks
};

enum class Reduction : uint8_t { kSum, kMean, kMinimum, kMaximum };

/// The backends that this was built with.
std::vector<std::string> process_group_backends();

/// Processes that compute together, over c10d. Its collectives return when they are done, and all ranks must
/// call the same collectives in the same order. So a group is used on one thread.
///
/// Before each collective, the ranks tell each other what they begin. If they begin different things, or with
/// different shapes, all of them throw Error `ERR_PROCESS_GROUP`, and nothing is sent. c10d itself does not
/// check this: gloo ends a process that receives more than it expects, and takes float32 for int32.
///
/// If another process ends, cannot be reached, or does not come within the timeout, a collective throws Error
/// `ERR_PROCESS_GROUP`, and so do all later ones, since the ranks may hold different values by then.
class ProcessGroup {
 public:
  /// Waits until all ranks have come. Throws Error `ERR_NOT_BUILT`, `ERR_PROCESS_GROUP`, `ERR_STOPPED`.
  static std::shared_ptr<ProcessGroup> connect(const MeetingPoint& point, const Membership& membership,
                                               std::shared_ptr<Interrupt> interrupt);

  ProcessGroup(const c10::intrusive_ptr<c10d::Store>& store, Membership membership,
               std::shared_ptr<Interrupt> interrupt);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int rank() const { return membership_.rank; }
  int size() const { return membership_.size; }

  /// Reduces `tensors` over all ranks, and puts the same numbers into them on all ranks, to the last bit. The
  /// mean is the sum divided by the number of ranks.
  void all_reduce(const std::vector<at::Tensor>& tensors, Reduction reduction);

  /// Copies the values of `tensors` on rank `root` to those of all ranks.
  void broadcast(const std::vector<at::Tensor>& tensors, int root);

  /// Stacks the tensors of all ranks, which have one shape: [size, …], in the order of the ranks.
  at::Tensor all_gather(const at::Tensor& tensor);

  /// Concatenates tensors [n, …] whose numbers of rows n may differ: [Σ n, …], in the order of the ranks.
  at::Tensor gather_rows(const at::Tensor& rows);

  /// Returns when all ranks have called it.
  void barrier();

  /// Tells the other ranks that `call` begins, and sends `number` with it. Returns the numbers of all ranks.
  /// Throws if another rank begins something else.
  std::vector<int64_t> agree(const CollectiveCall& call, int64_t number = 0);

  /// c10d's own group. It may be used between one agreement and the next.
  const c10::intrusive_ptr<c10d::ProcessGroup>& group() const { return group_; }

  /// A future that completes when `work` on the group does. It fails with Error `ERR_PROCESS_GROUP`, which
  /// says that `what` failed and why.
  c10::intrusive_ptr<c10::ivalue::Future> finished(const c10::intrusive_ptr<c10d::Work>& work,
                                                   const std::string& what) const;

  /// The error that says that `what` failed because of `cause`. The group refuses all further work from then
  /// on.
  Error failure(const std::string& what, const std::exception_ptr& cause) const;

  /// Refuses all further collectives: the ranks may no longer be doing the same.
  void give_up();

 private:
  struct Condition;

  void wait(const c10::intrusive_ptr<c10d::Work>& work, const std::string& what) const;
  at::Tensor all_gather_bytes(const at::Tensor& tensor, const std::string& what);

  const Membership membership_;
  const std::shared_ptr<Interrupt> interrupt_;
  const std::shared_ptr<Condition> condition_;
  c10::intrusive_ptr<c10d::Backend> control_;  // gloo: the ranks agree over it, whatever moves the tensors
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
};

}  // namespace sos
