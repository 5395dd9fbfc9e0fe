#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <variant>

namespace caffe2::serialize {
class ReadAdapterInterface;
}

namespace sos {

/// The source of an archive: the path of a file, or bytes in memory (a contiguous uint8 tensor on the CPU).
using ByteSource = std::variant<std::string, at::Tensor>;

/// The path, or `<buffer>` for bytes in memory. It is used in messages.
std::string source_name(const ByteSource& source);

/// Opens the source for libtorch's readers. They may outlive `source`. Throws Error: `ERR_FILE_NOT_FOUND`,
/// `ERR_FILE_UNREADABLE`.
std::shared_ptr<caffe2::serialize::ReadAdapterInterface> open_source(const ByteSource& source);

}  // namespace sos
