#include "core/serialization/record_archive.h"

#include <ATen/Functions.h>
#include <caffe2/serialize/inline_container.h>

#include "core/base/error.h"
#include "core/memory/storage.h"
#include "core/serialization/file_bytes.h"

namespace sos {
namespace {

using caffe2::serialize::PyTorchStreamReader;

/// Deflate never shrinks data more than 1032-fold. A record that claims to is refused before memory is
/// allocated for it.
constexpr size_t kLargestRatio = 1032;

/// Runs `body` on the opened archive, and turns libtorch's errors into what they mean for the caller.
template <class Body>
auto with_reader(const ByteSource& source, Body&& body) {
  const auto adapter = open_source(source);
  try {
    PyTorchStreamReader reader(adapter);
    return body(reader, adapter->size());
  } catch (const Error&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const std::exception&) {
    throw Error("ERR_DAMAGED_FILE", source_name(source) +
                                        ": expected a zip archive that PyTorch wrote, but this one is "
                                        "truncated or damaged; copy or write it again");
  }
}

}  // namespace

std::vector<std::pair<std::string, int64_t>> archive_records(const ByteSource& source) {
  return with_reader(source, [](PyTorchStreamReader& reader, size_t) {
    std::vector<std::pair<std::string, int64_t>> records;
    for (const auto& name : reader.getAllRecords()) {
      records.emplace_back(name, static_cast<int64_t>(reader.getRecordSize(name)));
    }
    return records;
  });
}

std::vector<at::Tensor> read_records(const ByteSource& source, const std::vector<std::string>& names) {
  return with_reader(source, [&](PyTorchStreamReader& reader, size_t size) {
    std::vector<at::Tensor> records;
    records.reserve(names.size());
    for (const auto& name : names) {
      if (reader.getRecordSize(name) / kLargestRatio > size) {
        throw Error("ERR_DAMAGED_FILE", source_name(source) + ": the record '" + name +
                                            "' claims more bytes than the archive can hold");
      }
      auto [data, length] = reader.getRecord(name);
      records.push_back(bytes_over(std::move(data), length));
    }
    return records;
  });
}

void write_archive(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& records) {
  OutputFile file(path);
  caffe2::serialize::PyTorchStreamWriter writer([&file](const void* data, size_t length) {
    file.write(data, length);
    return length;
  });
  for (const auto& [name, tensor] : records) {
    const auto bytes = row_major(tensor);
    writer.writeRecord(name, bytes.const_data_ptr(), bytes.nbytes());
  }
  writer.writeEndOfFile();
  file.close();
}

}  // namespace sos
