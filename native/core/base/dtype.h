#pragma once
#include <c10/core/Device.h>
#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <vector>

namespace sos {

/// The names that PyTorch gives to dtypes (`float32`), layouts (`strided`), memory formats (`channels_last`)
/// and devices (`cuda:0`). Nothing is returned for an unknown name.
std::optional<at::ScalarType> parse_dtype(const std::string& name);
std::optional<at::Layout> parse_layout(const std::string& name);
std::optional<at::MemoryFormat> parse_memory_format(const std::string& name);

std::optional<c10::Device> parse_device(const std::string& name);

/// The same, but an unknown name throws Error: `ERR_DTYPE`, or `ERR_INVALID_ARGUMENT` for a memory format.
at::ScalarType expect_dtype(const std::string& name);
at::MemoryFormat expect_memory_format(const std::string& name);

std::string dtype_name(at::ScalarType dtype);
std::string layout_name(at::Layout layout);

/// The names of all dtypes, in the order of at::ScalarType.
std::vector<std::string> dtype_names();

}  // namespace sos
