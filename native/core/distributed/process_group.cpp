#include "core/distributed/process_group.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <utility>

#include "core/base/error.h"
#include "core/distributed/gloo.h"
#include "core/distributed/nccl.h"
#include "core/distributed/shared_buffers.h"

namespace sos {
namespace {

using Future = c10::ivalue::Future;

/// What a rank sends to the others before a collective.
struct Announcement {
  uint64_t hash = 0;
  int64_t number = 0;
  char text[240] = {};  ///< cut off if it is longer
};

/// The text of the cause, without the place in gloo's source with which its messages begin.
std::string text_of_cause(const std::exception_ptr& cause) {
  std::string text;
  try {
    std::rethrow_exception(cause);
  } catch (const c10::Error& error) {
    text = error.what_without_backtrace();
  } catch (const std::exception& error) {
    text = error.what();
  } catch (...) {
    text = "an unknown failure";
  }
  if (const auto end = text.find("] "); text.rfind('[', 0) == 0 && end != std::string::npos) {
    text.erase(0, end + 2);
  }
  return text.substr(0, std::min(text.find('\n'), text.find(". This is typically caused by")));
}

c10d::ReduceOp::RedOpType to_c10d(Reduction reduction) {
  switch (reduction) {
    case Reduction::kMinimum:
      return c10d::ReduceOp::MIN;
    case Reduction::kMaximum:
      return c10d::ReduceOp::MAX;
    default:
      return c10d::ReduceOp::SUM;  // gloo has no mean
  }
}

std::string name_of(Reduction reduction) {
  switch (reduction) {
    case Reduction::kSum:
      return "sum";
    case Reduction::kMean:
      return "mean";
    case Reduction::kMinimum:
      return "min";
    default:
      return "max";
  }
}

c10::intrusive_ptr<c10d::Store> open_store(const MeetingPoint& point, std::chrono::milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = point.port;
  options.isServer = point.serves;
  options.waitWorkers = false;  // the backend waits for the other ranks
  options.timeout = timeout;
  options.multiTenant = true;  // a process may have several groups
  return c10::make_intrusive<c10d::PrefixStore>(point.prefix,
                                                c10::make_intrusive<c10d::TCPStore>(point.host, options));
}

}  // namespace

/// The state of the group, for callbacks that may outlive the group. A callback must not hold the group
/// itself, since one of gloo's threads would then have to join gloo's threads.
struct ProcessGroup::Condition {
  explicit Condition(Membership membership) : membership(std::move(membership)) {}

  const Membership membership;
  std::atomic<bool> broken = false;

  Error fail(const std::string& what, const std::exception_ptr& cause) {
    broken = true;
    const auto text = text_of_cause(cause);
    const bool late = text.find("imed out") != std::string::npos || text.find("imeout") != std::string::npos;
    const std::string seconds = std::to_string(static_cast<double>(membership.timeout.count()) / 1000);
    return Error(
        "ERR_PROCESS_GROUP",
        what + " failed on rank " + std::to_string(membership.rank) + " of " +
            std::to_string(membership.size) + ": " + text +
            (late ? "; a rank did not come within " + seconds.substr(0, seconds.find('.') + 2) +
                        " s (timeout): check whether it is stuck, or runs another part of the program"
                  : "; a process of the group has ended or cannot be reached: look for its error") +
            ". The group cannot continue: end this process too, and let torchrun start the run again");
  }
};

std::vector<std::string> process_group_backends() {
  return has_nccl() ? std::vector<std::string>{"gloo", "nccl"} : std::vector<std::string>{"gloo"};
}

std::shared_ptr<ProcessGroup> ProcessGroup::connect(const MeetingPoint& point, const Membership& membership,
                                                    std::shared_ptr<Interrupt> interrupt) {
  if (membership.backend != "gloo" && membership.backend != "nccl") {
    throw Error("ERR_INVALID_ARGUMENT",
                "expected gloo or nccl as backend but received '" + membership.backend + "'");
  }
  // This throws now what it would throw later, before anyone is waited for.
  if (membership.backend == "nccl" && !(has_nccl() && at::hasCUDA())) make_nccl({}, 0, 1, {});
  // c10d's waits for other ranks cannot be interrupted. So they run on a thread of their own, and continue
  // there if nobody waits any more.
  const auto made = std::make_shared<std::shared_ptr<ProcessGroup>>();
  const auto done = c10::make_intrusive<Future>(c10::NoneType::get());
  std::thread([made, done, point, membership, interrupt] {
    try {
      *made = std::make_shared<ProcessGroup>(open_store(point, membership.timeout), membership, interrupt);
      done->markCompleted();
    } catch (...) {
      done->setError(std::current_exception());
    }
  }).detach();
  const auto translate = [&](const std::exception_ptr& cause) {
    return std::make_exception_ptr(Error(
        "ERR_PROCESS_GROUP",
        "rank " + std::to_string(membership.rank) + " of " + std::to_string(membership.size) +
            " did not meet the others at " + point.host + ":" + std::to_string(point.port) + ": " +
            text_of_cause(cause) +
            "; expected all ranks to come within the timeout: look whether one ended before, and whether "
            "the address is reached from this machine"));
  };
  interrupt->guard(done, translate)->waitAndThrow();
  return *made;
}

ProcessGroup::ProcessGroup(const c10::intrusive_ptr<c10d::Store>& store, Membership membership,
                           std::shared_ptr<Interrupt> interrupt)
    : membership_(std::move(membership)),
      interrupt_(std::move(interrupt)),
      condition_(std::make_shared<Condition>(membership_)) {
  control_ =
      make_gloo(c10::make_intrusive<c10d::PrefixStore>("gloo", store), rank(), size(), membership_.timeout);
  group_ = c10::make_intrusive<c10d::ProcessGroup>(store, rank(), size());
  group_->setBackend(c10::kCPU, c10d::ProcessGroup::GLOO, control_);
  if (membership_.backend == "nccl") {
    const auto prefixed = c10::make_intrusive<c10d::PrefixStore>("nccl", store);
    group_->setBackend(c10::kCUDA, c10d::ProcessGroup::NCCL,
                       make_nccl(prefixed, rank(), size(), membership_.timeout));
  } else if (at::hasCUDA()) {
    group_->setBackend(c10::kCUDA, c10d::ProcessGroup::GLOO, control_);  // through the CPU's memory
  }
  group_->setDefaultBackend(c10d::ProcessGroup::GLOO);
  // The rank that serves the store may end as soon as it is done, and the others need the store until all
  // have met.
  agree(CollectiveCall("meeting", {}));
}

ProcessGroup::~ProcessGroup() {
  // gloo's destructor waits for running collectives.
  if (interrupt_->raised()) {
    (void)control_.release();  // the process ends, and should not wait here until the timeout
  } else if (condition_->broken) {
    std::thread([control = std::move(control_), group = std::move(group_)] {}).detach();
  }
}

void ProcessGroup::all_reduce(const std::vector<at::Tensor>& tensors, Reduction reduction) {
  const CollectiveCall call("allReduce(" + name_of(reduction) + ")", tensors);
  agree(call);
  c10d::AllreduceOptions options;
  options.reduceOp = to_c10d(reduction);
  in_shared_buffers(tensors, [&](const at::Tensor& flat) {
    std::vector<at::Tensor> list = {flat};
    wait(group_->allreduce(list, options), call.text);
    if (reduction == Reduction::kMean) list[0].div_(size());
  });
}

void ProcessGroup::broadcast(const std::vector<at::Tensor>& tensors, int root) {
  const CollectiveCall call("broadcast(root " + std::to_string(root) + ")", tensors);
  agree(call);
  c10d::BroadcastOptions options;
  options.rootRank = root;
  in_shared_buffers(tensors, [&](const at::Tensor& flat) {
    std::vector<at::Tensor> list = {flat.view(at::kByte)};  // so that any dtype will do
    wait(group_->broadcast(list, options), call.text);
  });
}

at::Tensor ProcessGroup::all_gather(const at::Tensor& tensor) {
  const CollectiveCall call("allGather", {tensor});
  agree(call);
  return all_gather_bytes(tensor.detach(), call.text);
}

at::Tensor ProcessGroup::gather_rows(const at::Tensor& rows) {
  const at::NoGradGuard guard;
  const auto own = rows.detach();
  const CollectiveCall call("gatherRows", {own}, "n");
  const auto counts = agree(call, own.size(0));
  const int64_t most = *std::max_element(counts.begin(), counts.end());
  // c10d gathers equal shapes, so ranks with fewer rows fill up with zeros.
  auto shape = own.sizes().vec();
  shape[0] = most - own.size(0);
  const auto all =
      all_gather_bytes(shape[0] == 0 ? own : at::cat({own, at::zeros(shape, own.options())}), call.text);
  std::vector<at::Tensor> parts;
  for (int64_t i = 0; i < size(); ++i) parts.push_back(all[i].narrow(0, 0, counts[i]));
  return at::cat(parts);
}

void ProcessGroup::barrier() {
  agree(CollectiveCall("barrier", {}));
}

std::vector<int64_t> ProcessGroup::agree(const CollectiveCall& call, int64_t number) {
  if (condition_->broken) {
    throw Error("ERR_PROCESS_GROUP", "expected a process group that works for " + call.text +
                                         ", but a collective of this group failed before: end this process, "
                                         "and let torchrun start the run again");
  }
  Announcement own{.hash = call.hash, .number = number};
  std::strncpy(own.text, call.text.c_str(), sizeof(own.text) - 1);
  const auto bytes = at::empty({static_cast<int64_t>(sizeof(own))}, at::kByte);
  std::memcpy(bytes.mutable_data_ptr(), &own, sizeof(own));
  const auto gathered = at::empty({size(), bytes.size(0)}, at::kByte);
  std::vector<std::vector<at::Tensor>> outputs = {gathered.unbind(0)};
  std::vector<at::Tensor> inputs = {bytes};
  wait(control_->allgather(outputs, inputs), call.text);
  std::vector<int64_t> numbers;
  for (int i = 0; i < size(); ++i) {
    Announcement other;
    std::memcpy(&other, outputs[0][i].const_data_ptr(), sizeof(other));
    numbers.push_back(other.number);
    if (other.hash == own.hash) continue;
    other.text[sizeof(other.text) - 1] = '\0';
    const bool alike = std::strcmp(own.text, other.text) == 0;
    throw Error(
        "ERR_PROCESS_GROUP",
        "expected all ranks to begin the same call, with tensors of the same shapes and dtypes, but rank " +
            std::to_string(rank()) + " began " + own.text + " and rank " + std::to_string(i) + " " +
            (alike ? "the same call, with other tensors among those that are not named here" : other.text) +
            "; make the same calls in the same order on all ranks");
  }
  return numbers;
}

c10::intrusive_ptr<Future> ProcessGroup::finished(const c10::intrusive_ptr<c10d::Work>& work,
                                                  const std::string& what) const {
  return interrupt_->guard(work->getFuture(),
                           [condition = condition_, what](const std::exception_ptr& cause) {
                             return std::make_exception_ptr(condition->fail(what, cause));
                           });
}

Error ProcessGroup::failure(const std::string& what, const std::exception_ptr& cause) const {
  return condition_->fail(what, cause);
}

void ProcessGroup::give_up() {
  condition_->broken = true;
}

void ProcessGroup::wait(const c10::intrusive_ptr<c10d::Work>& work, const std::string& what) const {
  finished(work, what)->waitAndThrow();
  work->wait();  // on CUDA: makes the current stream wait for the stream of the collective
}

at::Tensor ProcessGroup::all_gather_bytes(const at::Tensor& tensor, const std::string& what) {
  const at::NoGradGuard guard;
  auto shape = tensor.sizes().vec();
  shape.insert(shape.begin(), size());
  if (tensor.numel() == 0) return at::empty(shape, tensor.options());
  const auto bytes = tensor.contiguous().view({-1}).view(at::kByte);
  const auto gathered = at::empty({size(), bytes.size(0)}, bytes.options());
  std::vector<std::vector<at::Tensor>> outputs = {gathered.unbind(0)};
  std::vector<at::Tensor> inputs = {bytes};
  wait(group_->allgather(outputs, inputs), what);
  return gathered.view(tensor.scalar_type()).view(shape);
}

}  // namespace sos
