#include "core/base/dtype.h"

#include <c10/util/Exception.h>

#include <unordered_map>

#include "core/base/error.h"

namespace sos {
namespace {

template <class T>
std::optional<T> look_up(const std::unordered_map<std::string, T>& names, const std::string& name) {
  const auto found = names.find(name);
  if (found == names.end()) return std::nullopt;
  return found->second;
}

const std::unordered_map<std::string, at::Layout>& layouts() {
  static const std::unordered_map<std::string, at::Layout> names = {
      {"strided", at::kStrided},      {"sparse_coo", at::kSparse},    {"sparse_csr", at::kSparseCsr},
      {"sparse_csc", at::kSparseCsc}, {"sparse_bsr", at::kSparseBsr}, {"sparse_bsc", at::kSparseBsc},
  };
  return names;
}

}  // namespace

std::optional<at::ScalarType> parse_dtype(const std::string& name) {
  return look_up(c10::getStringToDtypeMap(), name);
}

std::optional<at::Layout> parse_layout(const std::string& name) {
  return look_up(layouts(), name);
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

at::MemoryFormat expect_memory_format(const std::string& name) {
  if (const auto format = parse_memory_format(name)) return *format;
  throw Error("ERR_INVALID_ARGUMENT",
              "expected a memory format such as 'channels_last' but received '" + name + "'");
}

std::string dtype_name(at::ScalarType dtype) {
  return std::string(c10::getDtypeNames(dtype).first);
}

std::vector<std::string> dtype_names() {
  std::vector<std::string> names;
  for (int i = 0; i < static_cast<int>(at::ScalarType::Undefined); ++i) {
    names.push_back(dtype_name(static_cast<at::ScalarType>(i)));
  }
  return names;
}

std::string layout_name(at::Layout layout) {
  for (const auto& [name, value] : layouts()) {
    if (value == layout) return name;
  }
  return c10::str(layout);
}

}  // namespace sos
