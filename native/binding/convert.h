#pragma once
#include <napi.h>

#include <string>
#include <vector>

#include "core/context/modes.h"
#include "core/operators/arguments.h"
#include "core/serialization/byte_source.h"

namespace sos {

// The only place that knows the values of both worlds. Numbers that are whole become ints (core bends them to
// floats where a schema asks), arrays lists, plain objects dicts with string keys, null and undefined None.
c10::IValue to_ivalue(const Napi::Value& value);
Napi::Value to_js(Napi::Env env, const c10::IValue& value);

/// Positional values from an array, keyword values from an object or undefined. Undefined keywords are left
/// out.
Arguments to_arguments(const Napi::Value& positional, const Napi::Value& keyword);

/// The same with the positional values as the arguments of a call, from `first` on.
Arguments to_arguments(const Napi::CallbackInfo& info, size_t first, const Napi::Value& keyword);

/// The modes of a call, which TypeScript passes as one number (src/torch/context/context.ts).
Modes to_modes(const Napi::Value& value);

std::vector<at::Tensor> to_tensors(const Napi::Value& array);
Napi::Array to_js_tensors(Napi::Env env, const std::vector<at::Tensor>& tensors);
/// A path, or a uint8 tensor that holds the bytes.
ByteSource to_byte_source(const Napi::Value& value);

std::vector<int64_t> to_ints(const Napi::Value& array);
Napi::Array to_js_ints(Napi::Env env, at::IntArrayRef values);
std::vector<std::string> to_strings(const Napi::Value& array);
Napi::Array to_js_strings(Napi::Env env, const std::vector<std::string>& texts);

}  // namespace sos
