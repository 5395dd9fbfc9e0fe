#include "binding/convert.h"

#include <cmath>

#include "binding/arrays.h"
#include "binding/handle.h"
#include "binding/js_call.h"
#include "core/base/error.h"
#include "core/operators/map_tensors.h"

namespace sos {
namespace {

using c10::IValue;

constexpr double kLargestSafeInteger = 9007199254740991.0;

IValue number_to_ivalue(double number) {
  const bool whole = std::trunc(number) == number && std::abs(number) <= kLargestSafeInteger;
  if (whole && !(number == 0 && std::signbit(number))) return static_cast<int64_t>(number);
  return number;
}

IValue bigint_to_ivalue(const Napi::Value& value) {
  bool lossless = false;
  const int64_t number = value.As<Napi::BigInt>().Int64Value(&lossless);
  if (!lossless) throw Error("ERR_INVALID_ARGUMENT", "expected a bigint that fits in 64 bits");
  return number;
}

IValue array_to_ivalue(const Napi::Array& array) {
  c10::impl::GenericList list(c10::AnyType::get());
  const uint32_t length = array.Length();
  list.reserve(length);
  for (uint32_t i = 0; i < length; ++i) list.push_back(to_ivalue(array[i]));
  return IValue(std::move(list));
}

/// Whether it is a Map, without JavaScript's `instanceof`, which could run JavaScript (js_call.h).
bool is_map(const Napi::Object& object) {
  const Napi::Env env = object.Env();
  const Napi::Value wanted = env.Global().Get("Map").As<Napi::Object>().Get("prototype");
  napi_value link = object;
  while (napi_get_prototype(env, link, &link) == napi_ok) {
    const Napi::Value prototype(env, link);
    if (prototype.StrictEquals(wanted)) return true;
    if (!prototype.IsObject()) break;
  }
  return false;
}

IValue map_to_ivalue(const Napi::Object& map) {
  c10::impl::GenericDict dict(c10::AnyType::get(), c10::AnyType::get());
  const auto from = map.Env().Global().Get("Array").As<Napi::Object>().Get("from").As<Napi::Function>();
  const auto entries = call_js(from, {map}).As<Napi::Array>();
  for (uint32_t i = 0; i < entries.Length(); ++i) {
    const auto pair = entries.Get(i).As<Napi::Array>();
    const IValue key = to_ivalue(pair.Get(0u));
    if (!key.isInt() && !key.isDouble() && !key.isBool() && !key.isString()) {
      throw Error(
          "ERR_INVALID_ARGUMENT",
          "expected numbers, strings or booleans as the keys of a dict but received " + describe(key));
    }
    dict.insert(key, to_ivalue(pair.Get(1u)));
  }
  return IValue(std::move(dict));
}

/// A complex number comes as a Float64Array of its two parts.
IValue complex_to_ivalue(const Napi::Value& value) {
  const auto parts = value.As<Napi::Float64Array>();
  if (parts.TypedArrayType() != napi_float64_array || parts.ElementLength() != 2) {
    throw Error("ERR_INVALID_ARGUMENT", "expected the two parts of a complex number");
  }
  return c10::complex<double>(parts[0], parts[1]);
}

Napi::Value complex_to_js(Napi::Env env, c10::complex<double> value) {
  auto parts = Napi::Float64Array::New(env, 2);
  parts[0] = value.real();
  parts[1] = value.imag();
  return parts;
}

IValue object_to_ivalue(const Napi::Object& object) {
  if (is_map(object)) return map_to_ivalue(object);
  c10::impl::GenericDict dict(c10::StringType::get(), c10::AnyType::get());
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>();
    dict.insert(name, to_ivalue(object.Get(name)));
  }
  return IValue(std::move(dict));
}

IValue handle_to_ivalue(const Napi::Value& value) {
  const Handle& handle = unwrap_handle(value);
  if (const auto* tensor = std::get_if<at::Tensor>(&handle.held)) return *tensor;
  if (const auto* generator = std::get_if<at::Generator>(&handle.held)) return *generator;
  if (std::holds_alternative<std::monostate>(handle.held)) return unwrap_tensor(value);  // throws
  return unwrap_object(value)->instance();
}

Napi::Value int_to_js(Napi::Env env, int64_t number) {
  if (std::abs(static_cast<double>(number)) <= kLargestSafeInteger) {
    return Napi::Number::New(env, static_cast<double>(number));
  }
  return Napi::BigInt::New(env, number);
}

template <class Values>
Napi::Array values_to_js(Napi::Env env, const Values& values) {
  return to_js_array(env, values, [env](const IValue& value) { return to_js(env, value); });
}

/// A NamedTuple goes to TypeScript as { names, values }, an object as { object } and a module as { module }.
/// TypeScript makes values of its own classes from these.
Napi::Value tuple_to_js(Napi::Env env, const IValue& value) {
  const auto values = values_to_js(env, value.toTupleRef().elements());
  const auto type = tuple_type_of(value);
  if (!type || !type->schema()) return values;
  std::vector<std::string> names;
  for (const auto& field : type->schema()->arguments()) names.push_back(field.name());
  auto named = Napi::Object::New(env);
  named.Set("names", to_js_strings(env, names));
  named.Set("values", values);
  return named;
}

Napi::Value object_to_js(Napi::Env env, const IValue& value) {
  auto object = Napi::Object::New(env);
  if (value.isModule()) {
    object.Set("module", wrap_module(env, std::make_shared<ScriptModule>(value.toModule())));
  } else {
    object.Set("object",
               wrap_object(env, std::make_shared<ScriptObject>(torch::jit::Object(value.toObject()))));
  }
  return object;
}

Napi::Value dict_to_js(Napi::Env env, const c10::Dict<IValue, IValue>& dict) {
  const auto map = construct_js(env.Global().Get("Map").As<Napi::Function>(), {});
  const auto set = map.Get("set").As<Napi::Function>();
  for (const auto& entry : dict) call_js(set, map, {to_js(env, entry.key()), to_js(env, entry.value())});
  return map;
}

void add_keywords(Arguments& arguments, const Napi::Value& keyword) {
  if (!keyword.IsObject()) return;
  const auto object = keyword.As<Napi::Object>();
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    std::string name = names.Get(i).As<Napi::String>();
    const Napi::Value value = object.Get(name);
    if (!value.IsUndefined()) arguments.keyword.emplace_back(std::move(name), to_ivalue(value));
  }
}

}  // namespace

IValue to_ivalue(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
    case napi_null:
      return {};
    case napi_boolean:
      return value.As<Napi::Boolean>().Value();
    case napi_number:
      return number_to_ivalue(value.As<Napi::Number>().DoubleValue());
    case napi_bigint:
      return bigint_to_ivalue(value);
    case napi_string:
      return value.As<Napi::String>().Utf8Value();
    case napi_external:
      return handle_to_ivalue(value);
    case napi_object:
      if (value.IsArray()) return array_to_ivalue(value.As<Napi::Array>());
      if (value.IsTypedArray()) return complex_to_ivalue(value);
      return object_to_ivalue(value.As<Napi::Object>());
    default:
      throw Error("ERR_INVALID_ARGUMENT",
                  "expected a tensor, number, string, boolean, array or object but received a " +
                      std::string(value.Type() == napi_function ? "function" : "symbol"));
  }
}

Napi::Value to_js(Napi::Env env, const IValue& value) {
  if (value.isTensor()) return wrap_tensor(env, value.toTensor());
  if (value.isNone()) return env.Null();
  if (value.isInt()) return int_to_js(env, value.toInt());
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isUnsigned()) return Napi::BigInt::New(env, value.toUInt());  // beyond what an int holds
  if (value.isComplexDouble()) return complex_to_js(env, value.toComplexDouble());
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  if (value.isDevice()) return Napi::String::New(env, value.toDevice().str());
  if (value.isTuple()) return tuple_to_js(env, value);
  if (value.isList()) return values_to_js(env, value.toListRef());
  if (value.isGenericDict()) return dict_to_js(env, value.toGenericDict());
  if (value.isObject()) return object_to_js(env, value);
  if (value.isEnum()) return to_js(env, value.toEnumHolder()->value());
  if (value.isGenerator()) return wrap_generator(env, value.toGenerator());
  throw Error("ERR_UNSUPPORTED_VALUE", "a " + value.tagKind() + " cannot be brought to JavaScript");
}

Arguments to_arguments(const Napi::Value& positional, const Napi::Value& keyword) {
  Arguments arguments;
  const auto array = positional.As<Napi::Array>();
  const uint32_t length = array.Length();
  arguments.positional.reserve(length);
  for (uint32_t i = 0; i < length; ++i) arguments.positional.push_back(to_ivalue(array[i]));
  add_keywords(arguments, keyword);
  return arguments;
}

Arguments to_arguments(const Napi::CallbackInfo& info, size_t first, const Napi::Value& keyword) {
  Arguments arguments;
  for (size_t i = first; i < info.Length(); ++i) arguments.positional.push_back(to_ivalue(info[i]));
  add_keywords(arguments, keyword);
  return arguments;
}

Modes to_modes(const Napi::Value& value) {
  return {value.As<Napi::Number>().Uint32Value()};
}

ByteSource to_byte_source(const Napi::Value& value) {
  if (value.IsString()) return std::string(value.As<Napi::String>());
  return unwrap_tensor(value);
}

std::vector<at::Tensor> to_tensors(const Napi::Value& array) {
  return to_vector(array, unwrap_tensor);
}

std::vector<int64_t> to_ints(const Napi::Value& array) {
  return to_vector(array, [](const Napi::Value& value) { return value.As<Napi::Number>().Int64Value(); });
}

std::vector<std::string> to_strings(const Napi::Value& array) {
  return to_vector(array, [](const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); });
}

Napi::Value to_js_tensor(Napi::Env env, const at::Tensor& tensor) {
  return wrap_tensor(env, tensor);
}

Napi::Array to_js_tensors(Napi::Env env, const std::vector<at::Tensor>& tensors) {
  return to_js_array(env, tensors, [env](const at::Tensor& tensor) { return wrap_tensor(env, tensor); });
}

Napi::Array to_js_ints(Napi::Env env, at::IntArrayRef values) {
  return to_js_array(env, values, [](int64_t value) { return value; });
}

Napi::Array to_js_strings(Napi::Env env, const std::vector<std::string>& texts) {
  return to_js_array(env, texts, [](const std::string& text) { return text; });
}

}  // namespace sos
