#pragma once
#include <napi.h>

#include <string>
#include <vector>

#include "core/context/modes.h"
#include "core/operators/arguments.h"
#include "core/serialization/byte_source.h"

namespace sos {

// This is the only file that knows the values of both worlds. Whole numbers become ints (core turns them into
// floats if a schema asks for those), arrays become lists, plain objects become dicts with string keys, and
// null and undefined become None.
c10::IValue to_ivalue(const Napi::Value& value);
Napi::Value to_js(Napi::Env env, const c10::IValue& value);

/// Positional values come from an array, keyword values from an object or undefined. Keywords whose value is
/// undefined are left out.
Arguments to_arguments(const Napi::Value& positional, const Napi::Value& keyword);

/// The same; the positional values are the arguments of a call from `first` on.
Arguments to_arguments(const Napi::CallbackInfo& info, size_t first, const Napi::Value& keyword);

/// The modes of a call, which TypeScript passes as one number (src/torch/context/context.ts).
Modes to_modes(const Napi::Value& value);

/// A path, or a uint8 tensor that holds the bytes.
ByteSource to_byte_source(const Napi::Value& value);

std::vector<at::Tensor> to_tensors(const Napi::Value& array);
std::vector<int64_t> to_ints(const Napi::Value& array);
std::vector<std::string> to_strings(const Napi::Value& array);

Napi::Value to_js_tensor(Napi::Env env, const at::Tensor& tensor);
Napi::Array to_js_tensors(Napi::Env env, const std::vector<at::Tensor>& tensors);
Napi::Array to_js_ints(Napi::Env env, at::IntArrayRef values);
Napi::Array to_js_strings(Napi::Env env, const std::vector<std::string>& texts);

}  // namespace sos
