#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <variant>

namespace caffe2::serialize {
class ReadAdapterInterface;
}

namespace sos {

/// What an archive is read from: the path of a file, or bytes in memory (a contiguous uint8 tensor on the
/// CPU).
using ByteSource = std::variant<std::string, at::Tensor>;

/// The path, or `<buffer>`, for messages.
std::string source_name(const ByteSource& source);

/// Opens it for libtorch's readers, which may outlive `source`. Throws Error: `ERR_FILE_NOT_FOUND`,
/// `ERR_FILE_UNREADABLE`.
std::shared_ptr<caffe2::serialize::ReadAdapterInterface> open_source(const ByteSource& source);

}  // namespace sos
