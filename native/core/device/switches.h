#pragma once
#include <string>

namespace sos {

/// libtorch's switches for the whole process, by their names in Python, such as `backends.cudnn.benchmark`.
/// Throws Error `ERR_INVALID_ARGUMENT` for an unknown name.
bool get_switch(const std::string& name);
void set_switch(const std::string& name, bool on);

/// How precisely float32 matrices are multiplied: `highest`, `high` or `medium`.
std::string float32_matmul_precision();
void set_float32_matmul_precision(const std::string& precision);

/// Whether an operator without a deterministic implementation is an error, or with `warn_only` a warning.
void use_deterministic_algorithms(bool mode, bool warn_only);
bool deterministic_algorithms();
bool deterministic_algorithms_warn_only();

}  // namespace sos
