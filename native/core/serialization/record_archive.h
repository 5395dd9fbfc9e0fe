#pragma once
#include <utility>
#include <vector>

#include "core/serialization/byte_source.h"

namespace sos {

// The zip archives that torch.save and torch.jit.save write: named records, most of them uncompressed.

/// The names of the records and their sizes in bytes. Throws Error `ERR_DAMAGED_FILE` if this is not such an
/// archive, and the errors of open_source().
std::vector<std::pair<std::string, int64_t>> archive_records(const ByteSource& source);

/// The records with these names as uint8 tensors. Each tensor owns the memory that its record was read into.
std::vector<at::Tensor> read_records(const ByteSource& source, const std::vector<std::string>& names);

/// Writes an archive with these records. Each record is a dense tensor, whose elements are written in
/// row-major order. Throws Error `ERR_OUTPUT` if the file cannot be written, and leaves half a file.
void write_archive(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& records);

}  // namespace sos
