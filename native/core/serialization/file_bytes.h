#pragma once
#include <ATen/core/Tensor.h>

#include <fstream>
#include <string>
#include <vector>

namespace sos {

/// `length` bytes of a file from `offset` on, as a uint8 tensor. Throws Error `ERR_FILE_UNREADABLE`, or
/// `ERR_DAMAGED_FILE` if the file is shorter.
at::Tensor read_bytes(const std::string& path, int64_t offset, int64_t length);

/// Writes a file of these parts, one after another. Each part is a dense tensor, whose elements are written
/// in row-major order. Throws Error `ERR_OUTPUT` if the file cannot be written, and leaves half a file.
void write_bytes(const std::string& path, const std::vector<at::Tensor>& parts);

/// A file that is being written. Only close() reports that a write failed. libtorch's archive writers write
/// once more in their destructors; if that write threw, it would end the process.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  void write(const void* data, size_t length);

  /// Throws Error `ERR_OUTPUT` if anything was not written.
  void close();

 private:
  const std::string path_;
  std::ofstream file_;
};

}  // namespace sos
