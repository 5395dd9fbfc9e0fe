#pragma once
#include <ATen/core/Tensor.h>

#include <fstream>
#include <string>
#include <vector>

namespace sos {

/// `length` bytes of a file from `offset` on, as a uint8 tensor. Throws Error `ERR_FILE_UNREADABLE`,
/// `ERR_DAMAGED_FILE` where the file is shorter.
at::Tensor read_bytes(const std::string& path, int64_t offset, int64_t length);

/// Writes a file of these parts, one after another, each a dense tensor's elements in row-major order. Throws
/// Error `ERR_OUTPUT`, and leaves half a file, where it cannot be written.
void write_bytes(const std::string& path, const std::vector<at::Tensor>& parts);

/// A file that is being written. A failed write is told by close() and not before: libtorch's archive writers
/// write once more in their destructors, which throw, and so end the process, where that fails.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  void write(const void* data, size_t length);

  /// Throws Error `ERR_OUTPUT` where anything was not written.
  void close();

 private:
  const std::string path_;
  std::ofstream file_;
};

}  // namespace sos
