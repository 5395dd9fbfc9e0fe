#pragma once
#include <map>
#include <string>

#include "core/serialization/byte_source.h"

namespace sos {

/// Extra files of a TorchScript archive, by name.
using ExtraFiles = std::map<std::string, std::string>;

/// Tells a TorchScript archive from what is often taken for one, and gives the names of its extra files, with
/// empty texts. Throws Error: `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`, `ERR_NOT_TORCHSCRIPT`,
/// `ERR_LEGACY_TORCHSCRIPT`, `ERR_STATE_DICT`.
ExtraFiles extra_files_of(const ByteSource& source);

/// Throws the Error that `source` was expected to be a TorchScript archive but `why`.
[[noreturn]] void refuse_archive(const ByteSource& source, const std::string& code, const std::string& why);

}  // namespace sos
