#pragma once
#include <c10/core/Device.h>
#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>

#include <optional>
#include <string>

namespace sos {

/// PyTorch's names of dtypes (`float32`), layouts (`strided`), memory formats (`channels_last`) and devices
/// (`cuda:0`).
std::optional<at::ScalarType> parse_dtype(const std::string& name);
std::optional<at::Layout> parse_layout(const std::string& name);
std::optional<at::MemoryFormat> parse_memory_format(const std::string& name);

std::optional<c10::Device> parse_device(const std::string& name);

/// The dtype of that name. Throws Error `ERR_DTYPE` where there is none.
at::ScalarType expect_dtype(const std::string& name);

std::string dtype_name(at::ScalarType dtype);

}  // namespace sos
