#include "core/distributed/process_group.h"

#include <memory>

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/on_lane.h"
#include "core/distributed/gradient_reducer.h"

// Collectives run on the lane. All ranks must begin them in the same order. The collectives that a backward
// begins run on the lane already; on another thread, the order between the two kinds would be left to chance.
// On the lane it is the order of the calls in JavaScript, together with the operators and forwards that make
// what is sent.

namespace sos {
namespace {

/// The numbers are in the order of src/torch/distributed/process-group.ts.
Reduction to_reduction(const Napi::Value& value) {
  return static_cast<Reduction>(value.As<Napi::Number>().Int32Value());
}

Napi::Value backends(const Napi::CallbackInfo& info) {
  return to_js_strings(info.Env(), process_group_backends());
}

/// ({ host, port, serves, prefix, backend, rank, size, timeout }) → Promise<handle>
Napi::Value connect(const Napi::CallbackInfo& info) {
  const auto object = info[0].As<Napi::Object>();
  const auto number = [&](const char* name) { return object.Get(name).As<Napi::Number>().Int64Value(); };
  const auto text = [&](const char* name) { return object.Get(name).As<Napi::String>().Utf8Value(); };
  const MeetingPoint point{text("host"), static_cast<uint16_t>(number("port")),
                           object.Get("serves").As<Napi::Boolean>(), text("prefix")};
  const Membership membership{text("backend"), static_cast<int>(number("rank")),
                              static_cast<int>(number("size")), std::chrono::milliseconds(number("timeout"))};
  return on_lane(
      info, StorageUse("fromEnvironment"),
      [point, membership, interrupt = lane_of(info).interrupt()] {
        return ProcessGroup::connect(point, membership, interrupt);
      },
      wrap_group);
}

/// (group, tensors, reduction) → Promise
Napi::Value all_reduce(const Napi::CallbackInfo& info) {
  const auto group = unwrap_group(info[0]);
  const auto tensors = to_tensors(info[1]);
  const auto reduction = to_reduction(info[2]);
  return on_lane(info, StorageUse("allReduce").add(tensors),
                 [group, tensors, reduction] { group->all_reduce(tensors, reduction); });
}

/// (group, tensors, root) → Promise
Napi::Value broadcast(const Napi::CallbackInfo& info) {
  const auto group = unwrap_group(info[0]);
  const auto tensors = to_tensors(info[1]);
  const int root = info[2].As<Napi::Number>().Int32Value();
  return on_lane(info, StorageUse("broadcast").add(tensors),
                 [group, tensors, root] { group->broadcast(tensors, root); });
}

/// (group, tensor, whether the numbers of rows differ) → Promise<tensor>
Napi::Value gather(const Napi::CallbackInfo& info) {
  const auto group = unwrap_group(info[0]);
  const auto tensor = unwrap_tensor(info[1]);
  const bool rows = info[2].As<Napi::Boolean>();
  return on_lane(
      info, StorageUse(rows ? "gatherRows" : "allGather").add(tensor),
      [group, tensor, rows] { return rows ? group->gather_rows(tensor) : group->all_gather(tensor); },
      to_js_tensor);
}

/// (group) → Promise
Napi::Value barrier(const Napi::CallbackInfo& info) {
  return on_lane(info, StorageUse("barrier"), [group = unwrap_group(info[0])] { group->barrier(); });
}

/// (group, parameters, bytes of a bucket) → handle
Napi::Value create_reducer(const Napi::CallbackInfo& info) {
  auto reducer = std::make_unique<GradientReducer>(unwrap_group(info[0]), to_tensors(info[1]),
                                                   info[2].As<Napi::Number>().Int64Value());
  return wrap_reducer(info.Env(), lane_of(info).freed_here(std::move(reducer)));
}

/// (reducer) → Promise
Napi::Value prepare_reducer(const Napi::CallbackInfo& info) {
  return on_lane(info, StorageUse("prepare"), [reducer = unwrap_reducer(info[0])] { reducer->prepare(); });
}

}  // namespace

void export_process_group_functions(Napi::Env env, Napi::Object exports) {
  define<backends>(env, exports, "processGroupBackends");
  define<connect>(env, exports, "connectProcessGroup");
  define<all_reduce>(env, exports, "allReduce");
  define<broadcast>(env, exports, "broadcast");
  define<gather>(env, exports, "gather");
  define<barrier>(env, exports, "barrier");
  define<create_reducer>(env, exports, "createReducer");
  define<prepare_reducer>(env, exports, "prepareReducer");
}

}  // namespace sos
