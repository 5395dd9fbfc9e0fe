#pragma once
#include <napi.h>

#include <type_traits>
#include <utility>
#include <vector>

namespace sos {

/// A JavaScript array of what `to_js` makes of each value: a Napi::Value, or a number, a boolean or a text.
template <class Values, class ToJs>
Napi::Array to_js_array(Napi::Env env, const Values& values, const ToJs& to_js) {
  auto array = Napi::Array::New(env, values.size());
  uint32_t i = 0;
  for (const auto& value : values) array.Set(i++, to_js(value));
  return array;
}

/// A JavaScript array of these two values.
template <class First, class Second>
Napi::Array to_js_pair(Napi::Env env, const First& first, const Second& second) {
  auto pair = Napi::Array::New(env, 2);
  pair.Set(0u, first);
  pair.Set(1u, second);
  return pair;
}

/// What `convert` makes of each element of a JavaScript array.
template <class Convert>
auto to_vector(const Napi::Value& value, const Convert& convert) {
  const auto array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  std::vector<std::decay_t<std::invoke_result_t<Convert, Napi::Value>>> converted;
  converted.reserve(length);
  for (uint32_t i = 0; i < length; ++i) converted.push_back(convert(array.Get(i)));
  return converted;
}

}  // namespace sos
