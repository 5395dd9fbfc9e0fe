#include "binding/arrays.h"
#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/on_lane.h"
#include "core/operators/operator_call.h"
#include "core/script/shared_modules.h"

namespace sos {
namespace {

/// (name) → external. Packets live as long as the process, so their addresses can stand for them.
Napi::Value find_operator(const Napi::CallbackInfo& info) {
  const auto& packet = OperatorPacket::find(info[0].As<Napi::String>());
  return Napi::External<OperatorPacket>::New(info.Env(), const_cast<OperatorPacket*>(&packet));
}

const OperatorPacket& packet_of(const Napi::Value& value) {
  return *value.As<Napi::External<OperatorPacket>>().Data();
}

Napi::Value results_to_js(EnvData& data, Napi::Env env, torch::jit::Stack& results,
                          const Napi::Value& spare) {
  if (results.empty()) return env.Undefined();
  if (results.size() == 1) {
    if (results[0].isTensor()) return wrap_tensor(data, env, std::move(results[0]).toTensor(), spare);
    return to_js(env, results[0]);
  }
  return to_js_array(env, results, [env](const c10::IValue& result) { return to_js(env, result); });
}

/// (operator, modes, keyword | undefined, spare external | undefined, ...positional) → result, or an array of
/// several results
Napi::Value call_operator(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto& data = EnvData::of(env);
  auto stack = std::move(data.spare_stack);  // a call within a call finds an empty stack
  const ModeGuard guard(to_modes(info[1]));
  const auto& packet = packet_of(info[0]);
  OperatorPacket::BeforeUse before_use;
  if (data.lane->uses_memory() || packet.exchanges_memory()) {
    before_use = [&](const at::Tensor& tensor, OperatorPacket::Use use) {
      const auto& lane = *data.lane;
      if (use == OperatorPacket::Use::view) return lane.refuse_look(tensor, packet.name());
      if (use == OperatorPacket::Use::read) return lane.refuse_read(tensor, packet.name());
      if (packet.exchanges_memory()) refuse_exchange(tensor, packet.name());
      lane.refuse_write(tensor, packet.name());
    };
  }
  const auto modes = to_modes(info[1]);
  packet.call(to_arguments(info, 4, info[2]), stack, before_use,
              [&](const std::function<void()>& call) { data.lane->run_now(modes, call); });
  const auto result = results_to_js(data, env, stack, info[3]);
  stack.clear();
  data.spare_stack = std::move(stack);
  return result;
}

/// The same on the lane → Promise
Napi::Value call_operator_async(const Napi::CallbackInfo& info) {
  const auto& packet = packet_of(info[0]);
  auto arguments = to_arguments(info, 3, info[2]);
  const auto writes = packet.writes_of(arguments);
  for (const auto& tensor : writes.tensors) {
    lane_of(info).refuse_held_write(tensor, packet.name());
    if (packet.exchanges_memory()) refuse_exchange(tensor, packet.name());
  }
  auto use = StorageUse(packet.name()).add(arguments).add_written(writes.tensors, writes.reshaped);
  return on_lane(
      info, to_modes(info[1]), std::move(use),
      [&packet, arguments = std::move(arguments)] { return packet.call(arguments); },
      [](Napi::Env env, torch::jit::Stack& results) {
        return results_to_js(EnvData::of(env), env, results, env.Undefined());
      });
}

Napi::Value list_operator_schemas(const Napi::CallbackInfo& info) {
  return to_js_strings(info.Env(), operator_schemas());
}

}  // namespace

void export_operator_functions(Napi::Env env, Napi::Object exports) {
  define<find_operator>(env, exports, "findOperator");
  define<call_operator>(env, exports, "callOperator");
  define<call_operator_async>(env, exports, "callOperatorAsync");
  define<list_operator_schemas>(env, exports, "operatorSchemas");
}

}  // namespace sos
