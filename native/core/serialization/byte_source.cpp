#include "core/serialization/byte_source.h"

#include <caffe2/serialize/file_adapter.h>
#include <caffe2/serialize/read_adapter_interface.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/base/error.h"

namespace sos {
namespace {

/// Reads from the memory of a tensor, which it keeps alive.
class MemoryAdapter : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MemoryAdapter(at::Tensor bytes) : bytes_(std::move(bytes)) {}

  size_t size() const override { return bytes_.nbytes(); }

  size_t read(uint64_t position, void* buffer, size_t length, const char*) const override {
    if (position >= size()) return 0;
    const size_t there = std::min(length, size() - static_cast<size_t>(position));
    std::memcpy(buffer, bytes_.const_data_ptr<uint8_t>() + position, there);
    return there;
  }

 private:
  const at::Tensor bytes_;
};

}  // namespace

std::string source_name(const ByteSource& source) {
  const auto* path = std::get_if<std::string>(&source);
  return path != nullptr ? *path : "<buffer>";
}

std::shared_ptr<caffe2::serialize::ReadAdapterInterface> open_source(const ByteSource& source) {
  if (const auto* bytes = std::get_if<at::Tensor>(&source)) {
    if (bytes->scalar_type() != at::kByte || !bytes->is_cpu() || !bytes->is_contiguous()) {
      throw Error("ERR_INVALID_ARGUMENT", "expected bytes in a contiguous uint8 tensor on the CPU");
    }
    return std::make_shared<MemoryAdapter>(*bytes);
  }
  const auto& path = std::get<std::string>(source);
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (!std::filesystem::exists(status)) throw Error("ERR_FILE_NOT_FOUND", path + ": no such file");
  if (!std::filesystem::is_regular_file(status))
    throw Error("ERR_FILE_UNREADABLE", path + ": this is not a file");
  try {
    return std::make_shared<caffe2::serialize::FileAdapter>(path);
  } catch (const std::exception&) {
    throw Error("ERR_FILE_UNREADABLE", path + ": the file cannot be read; check its permissions");
  }
}

}  // namespace sos
