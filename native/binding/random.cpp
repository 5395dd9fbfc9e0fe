#include "core/device/random.h"

#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/device/device.h"

namespace sos {
namespace {

uint64_t to_seed(const Napi::Value& value) {
  bool lossless = false;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

Napi::Value seed_to_js(Napi::Env env, uint64_t seed) {
  return Napi::BigInt::New(env, seed);
}

/// (device, seed: bigint) → handle of a new generator
Napi::Value create_generator(const Napi::CallbackInfo& info) {
  const auto device = expect_device(info[0].As<Napi::String>());
  return wrap_generator(info.Env(), make_generator(device, to_seed(info[1])));
}

/// (device) → handle of the generator that operators on the device draw from if they are given no other
Napi::Value get_default_generator(const Napi::CallbackInfo& info) {
  return wrap_generator(info.Env(), default_generator(expect_device(info[0].As<Napi::String>())));
}

/// (seed: bigint): seeds the default generators of all devices
Napi::Value seed_all(const Napi::CallbackInfo& info) {
  manual_seed(to_seed(info[0]));
  return info.Env().Undefined();
}

Napi::Value generator_device(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), unwrap_generator(info[0]).device().str());
}

/// (generator, seed: bigint)
Napi::Value generator_set_seed(const Napi::CallbackInfo& info) {
  set_seed(unwrap_generator(info[0]), to_seed(info[1]));
  return info.Env().Undefined();
}

/// (generator) → bigint: seeds the generator from the system's source of randomness
Napi::Value generator_seed(const Napi::CallbackInfo& info) {
  return seed_to_js(info.Env(), random_seed(unwrap_generator(info[0])));
}

Napi::Value generator_initial_seed(const Napi::CallbackInfo& info) {
  return seed_to_js(info.Env(), initial_seed(unwrap_generator(info[0])));
}

/// (generator) → handle of a tensor of bytes on the CPU
Napi::Value generator_get_state(const Napi::CallbackInfo& info) {
  return wrap_tensor(info.Env(), random_state(unwrap_generator(info[0])));
}

/// (generator, state)
Napi::Value generator_set_state(const Napi::CallbackInfo& info) {
  set_random_state(unwrap_generator(info[0]), unwrap_tensor(info[1]));
  return info.Env().Undefined();
}

}  // namespace

void export_random_functions(Napi::Env env, Napi::Object exports) {
  define<create_generator>(env, exports, "createGenerator");
  define<get_default_generator>(env, exports, "defaultGenerator");
  define<seed_all>(env, exports, "manualSeed");
  define<generator_device>(env, exports, "generatorDevice");
  define<generator_set_seed>(env, exports, "generatorSetSeed");
  define<generator_seed>(env, exports, "generatorSeed");
  define<generator_initial_seed>(env, exports, "generatorInitialSeed");
  define<generator_get_state>(env, exports, "generatorGetState");
  define<generator_set_state>(env, exports, "generatorSetState");
}

}  // namespace sos
