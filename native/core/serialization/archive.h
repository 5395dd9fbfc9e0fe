#pragma once
#include <map>
#include <string>

#include "core/serialization/byte_source.h"

namespace sos {

/// Extra files of a TorchScript archive, by name.
using ExtraFiles = std::map<std::string, std::string>;

/// Throws Error if `source` is not a TorchScript archive, with a code that names what it is instead:
/// `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`, `ERR_NOT_TORCHSCRIPT`, `ERR_LEGACY_TORCHSCRIPT`,
/// `ERR_STATE_DICT`. Otherwise returns the names of its extra files, with empty texts.
ExtraFiles extra_files_of(const ByteSource& source);

/// Throws an Error that says: expected a TorchScript archive, but `why`.
[[noreturn]] void refuse_archive(const ByteSource& source, const std::string& code, const std::string& why);

}  // namespace sos
