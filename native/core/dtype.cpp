#include "core/dtype.h"

#include <c10/util/Exception.h>

#include <unordered_map>

#include "core/error.h"

namespace sos {
namespace {

const std::unordered_map<std::string, at::ScalarType>& dtypes() {
  static const std::unordered_map<std::string, at::ScalarType> names = {
      {"float32", at::kFloat},
      {"float", at::kFloat},
      {"float64", at::kDouble},
      {"double", at::kDouble},
      {"float16", at::kHalf},
      {"half", at::kHalf},
      {"bfloat16", at::kBFloat16},
      {"int64", at::kLong},
      {"long", at::kLong},
      {"int32", at::kInt},
      {"int", at::kInt},
      {"int16", at::kShort},
      {"short", at::kShort},
      {"int8", at::kChar},
      {"uint8", at::kByte},
      {"bool", at::kBool},
      {"complex64", at::kComplexFloat},
      {"complex128", at::kComplexDouble},
      {"complex32", at::ScalarType::ComplexHalf},
      {"uint16", at::ScalarType::UInt16},
      {"uint32", at::ScalarType::UInt32},
      {"uint64", at::ScalarType::UInt64},
      {"qint8", at::kQInt8},
      {"quint8", at::kQUInt8},
      {"qint32", at::kQInt32},
      {"float8_e4m3fn", at::ScalarType::Float8_e4m3fn},
      {"float8_e4m3fnuz", at::ScalarType::Float8_e4m3fnuz},
      {"float8_e5m2", at::ScalarType::Float8_e5m2},
      {"float8_e5m2fnuz", at::ScalarType::Float8_e5m2fnuz},
      {"float8_e8m0fnu", at::ScalarType::Float8_e8m0fnu},
  };
  return names;
}

template <class T>
std::optional<T> look_up(const std::unordered_map<std::string, T>& names, const std::string& name) {
  const auto found = names.find(name);
  if (found == names.end()) return std::nullopt;
  return found->second;
}

}  // namespace

std::optional<at::ScalarType> parse_dtype(const std::string& name) {
  return look_up(dtypes(), name);
}

std::optional<at::Layout> parse_layout(const std::string& name) {
  static const std::unordered_map<std::string, at::Layout> names = {
      {"strided", at::kStrided},      {"sparse_coo", at::kSparse},    {"sparse_csr", at::kSparseCsr},
      {"sparse_csc", at::kSparseCsc}, {"sparse_bsr", at::kSparseBsr}, {"sparse_bsc", at::kSparseBsc},
  };
  return look_up(names, name);
}

std::optional<at::MemoryFormat> parse_memory_format(const std::string& name) {
  static const std::unordered_map<std::string, at::MemoryFormat> names = {
      {"contiguous_format", at::MemoryFormat::Contiguous},
      {"preserve_format", at::MemoryFormat::Preserve},
      {"channels_last", at::MemoryFormat::ChannelsLast},
      {"channels_last_3d", at::MemoryFormat::ChannelsLast3d},
  };
  return look_up(names, name);
}

std::optional<c10::Device> parse_device(const std::string& name) {
  try {
    return c10::Device(name);
  } catch (const c10::Error&) {
    return std::nullopt;
  }
}

at::ScalarType expect_dtype(const std::string& name) {
  if (const auto dtype = parse_dtype(name)) return *dtype;
  throw Error("ERR_DTYPE", "expected a dtype such as 'float32' but received '" + name + "'");
}

std::string dtype_name(at::ScalarType dtype) {
  // Several names may mean one dtype; PyTorch prints the one that carries its width.
  for (const auto& [name, value] : dtypes()) {
    const bool has_width = name.find_first_of("0123456789") != std::string::npos;
    if (value == dtype && (has_width || dtype == at::kBool)) return name;
  }
  return c10::toString(dtype);
}

}  // namespace sos
