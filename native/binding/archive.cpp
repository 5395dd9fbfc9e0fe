#include "binding/arrays.h"
#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/on_lane.h"
#include "core/serialization/file_bytes.h"
#include "core/serialization/record_archive.h"

namespace sos {
namespace {

StorageUse saving(const std::vector<at::Tensor>& read = {}) {
  return StorageUse("save").add(read);
}

/// (path | uint8 tensor) → Promise<[name, bytes][]>
Napi::Value list_records(const Napi::CallbackInfo& info) {
  return on_lane(
      info, saving(), [source = to_byte_source(info[0])] { return archive_records(source); },
      [](Napi::Env env, const auto& records) {
        return to_js_array(
            env, records, [env](const auto& record) { return to_js_pair(env, record.first, record.second); });
      });
}

/// (path | uint8 tensor, names) → Promise<uint8 tensors>
Napi::Value read_records_of(const Napi::CallbackInfo& info) {
  return on_lane(
      info, saving(),
      [source = to_byte_source(info[0]), names = to_strings(info[1])] { return read_records(source, names); },
      to_js_tensors);
}

/// (path, [name, tensor][]) → Promise
Napi::Value write_archive_of(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  auto records = to_vector(info[1], [](const Napi::Value& entry) {
    const auto pair = entry.As<Napi::Array>();
    return std::pair<std::string, at::Tensor>(pair.Get(0u).As<Napi::String>(), unwrap_tensor(pair.Get(1u)));
  });
  std::vector<at::Tensor> read;
  for (const auto& [name, tensor] : records) read.push_back(tensor);
  return on_lane(info, saving(read), [path, records = std::move(records)] { write_archive(path, records); });
}

/// (path, offset, length) → Promise<uint8 tensor>
Napi::Value read_file_bytes(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const int64_t offset = info[1].As<Napi::Number>().Int64Value();
  const int64_t length = info[2].As<Napi::Number>().Int64Value();
  return on_lane(
      info, saving(), [path, offset, length] { return read_bytes(path, offset, length); }, to_js_tensor);
}

/// (path, tensors) → Promise
Napi::Value write_file_bytes(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const auto parts = to_tensors(info[1]);
  return on_lane(info, saving(parts), [path, parts] { write_bytes(path, parts); });
}

}  // namespace

void export_archive_functions(Napi::Env env, Napi::Object exports) {
  define<list_records>(env, exports, "archiveRecords");
  define<read_records_of>(env, exports, "readRecords");
  define<write_archive_of>(env, exports, "writeArchive");
  define<read_file_bytes>(env, exports, "readFileBytes");
  define<write_file_bytes>(env, exports, "writeFileBytes");
}

}  // namespace sos
