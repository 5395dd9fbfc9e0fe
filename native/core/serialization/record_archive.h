#pragma once
#include <utility>
#include <vector>

#include "core/serialization/byte_source.h"

namespace sos {

// The zip archives that torch.save and torch.jit.save write: named records, for the most part uncompressed.

/// The records' names and sizes in bytes. Throws Error `ERR_DAMAGED_FILE` where this is no such archive, and
/// those of open_source().
std::vector<std::pair<std::string, int64_t>> archive_records(const ByteSource& source);

/// The records of these names as uint8 tensors, which own the memory they were read into.
std::vector<at::Tensor> read_records(const ByteSource& source, const std::vector<std::string>& names);

/// Writes an archive with these records, each a dense tensor's elements in row-major order. Throws Error
/// `ERR_OUTPUT`, and leaves half a file, where the file cannot be written.
void write_archive(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& records);

}  // namespace sos
