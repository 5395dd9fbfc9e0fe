#include "core/serialization/file_bytes.h"

#include <ATen/Functions.h>

#include <cerrno>
#include <cstring>

#include "core/base/error.h"
#include "core/memory/storage.h"

namespace sos {

at::Tensor read_bytes(const std::string& path, int64_t offset, int64_t length) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("ERR_FILE_UNREADABLE", path + ": the file cannot be read; check its permissions");
  file.seekg(0, std::ios::end);
  const int64_t size = file.tellg();
  if (offset < 0 || length < 0 || offset > size || length > size - offset) {
    throw Error("ERR_DAMAGED_FILE", path + ": expected " + std::to_string(length) + " bytes from byte " +
                                        std::to_string(offset) + " on, but the file has " +
                                        std::to_string(size) + " bytes");
  }
  auto bytes = at::empty({length}, at::kByte);
  file.seekg(offset);
  file.read(reinterpret_cast<char*>(bytes.data_ptr<uint8_t>()), length);
  if (file.gcount() != length) {
    throw Error("ERR_FILE_UNREADABLE", path + ": the file cannot be read: " + std::strerror(errno));
  }
  return bytes;
}

void write_bytes(const std::string& path, const std::vector<at::Tensor>& parts) {
  OutputFile file(path);
  for (const auto& part : parts) {
    const auto bytes = row_major(part);
    file.write(bytes.const_data_ptr(), bytes.nbytes());
  }
  file.close();
}

OutputFile::OutputFile(const std::string& path) : path_(path), file_(path, std::ios::binary) {}

void OutputFile::write(const void* data, size_t length) {
  file_.write(static_cast<const char*>(data), static_cast<std::streamsize>(length));
}

void OutputFile::close() {
  file_.close();
  if (!file_) throw Error("ERR_OUTPUT", path_ + ": cannot be written: " + std::strerror(errno));
}

}  // namespace sos
