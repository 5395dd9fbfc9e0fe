#include "core/distributed/process_group.h"

#include <memory>

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/distributed/gradient_reducer.h"

// Collectives run on the lane. All ranks must begin them in one order, and those that a backward begins are
// on the lane already: on any other thread the order between the two would be left to chance. So it is that
// of the calls in JavaScript, with the operators and forwards that make what is sent.

namespace sos {
namespace {

Napi::Promise submit(const Napi::CallbackInfo& info, StorageUse use, Lane::Work work) {
  return EnvData::of(info.Env()).lane->submit(info.Env(), Modes{}, std::move(use), std::move(work));
}

Lane::Finish nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

/// In the order of src/torch/distributed/process-group.ts.
Reduction to_reduction(const Napi::Value& value) {
  return static_cast<Reduction>(value.As<Napi::Number>().Int32Value());
}

Napi::Value backends(const Napi::CallbackInfo& info) {
  return to_js_strings(info.Env(), process_group_backends());
}

/// ({ host, port, serves, prefix, backend, rank, size, timeout }) → Promise of a handle
Napi::Value connect(const Napi::CallbackInfo& info) {
  const auto object = info[0].As<Napi::Object>();
  const auto number = [&](const char* name) { return object.Get(name).As<Napi::Number>().Int64Value(); };
  const auto text = [&](const char* name) { return object.Get(name).As<Napi::String>().Utf8Value(); };
  const MeetingPoint point{text("host"), static_cast<uint16_t>(number("port")),
                           object.Get("serves").As<Napi::Boolean>(), text("prefix")};
  const Membership membership{text("backend"), static_cast<int>(number("rank")),
                              static_cast<int>(number("size")), std::chrono::milliseconds(number("timeout"))};
  const auto& interrupt = EnvData::of(info.Env()).lane->interrupt();
  return submit(info, StorageUse("fromEnvironment"), [point, membership, interrupt]() -> Lane::Finish {
    return [group = ProcessGroup::connect(point, membership, interrupt)](Napi::Env env) {
      return wrap_group(env, group);
    };
  });
}

/// (group, tensors, reduction) → Promise
Napi::Value all_reduce(const Napi::CallbackInfo& info) {
  auto tensors = to_tensors(info[1]);
  return submit(info, StorageUse("allReduce").add(tensors),
                [group = unwrap_group(info[0]), tensors, reduction = to_reduction(info[2])] {
                  group->all_reduce(tensors, reduction);
                  return nothing();
                });
}

/// (group, tensors, root) → Promise
Napi::Value broadcast(const Napi::CallbackInfo& info) {
  auto tensors = to_tensors(info[1]);
  return submit(info, StorageUse("broadcast").add(tensors),
                [group = unwrap_group(info[0]), tensors, root = info[2].As<Napi::Number>().Int32Value()] {
                  group->broadcast(tensors, root);
                  return nothing();
                });
}

/// (group, tensor, whether the numbers of rows differ) → Promise of a tensor
Napi::Value gather(const Napi::CallbackInfo& info) {
  const auto tensor = unwrap_tensor(info[1]);
  const bool rows = info[2].As<Napi::Boolean>();
  return submit(info, StorageUse(rows ? "gatherRows" : "allGather").add(tensor),
                [group = unwrap_group(info[0]), tensor, rows]() -> Lane::Finish {
                  return [gathered = rows ? group->gather_rows(tensor) : group->all_gather(tensor)](
                             Napi::Env env) { return wrap_tensor(env, gathered); };
                });
}

/// (group) → Promise
Napi::Value barrier(const Napi::CallbackInfo& info) {
  return submit(info, StorageUse("barrier"), [group = unwrap_group(info[0])] {
    group->barrier();
    return nothing();
  });
}

/// (group, parameters, bytes of a bucket) → handle
Napi::Value create_reducer(const Napi::CallbackInfo& info) {
  auto reducer = std::make_unique<GradientReducer>(unwrap_group(info[0]), to_tensors(info[1]),
                                                   info[2].As<Napi::Number>().Int64Value());
  return wrap_reducer(info.Env(), EnvData::of(info.Env()).lane->freed_here(std::move(reducer)));
}

/// (reducer) → Promise
Napi::Value prepare_reducer(const Napi::CallbackInfo& info) {
  return submit(info, StorageUse("prepare"), [reducer = unwrap_reducer(info[0])] {
    reducer->prepare();
    return nothing();
  });
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
