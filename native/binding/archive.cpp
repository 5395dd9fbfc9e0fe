#include "binding/convert.h"
#include "binding/define.h"
#include "binding/env_data.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "core/serialization/file_bytes.h"
#include "core/serialization/record_archive.h"

namespace sos {
namespace {

Napi::Value submit(const Napi::CallbackInfo& info, Lane::Work work,
                   const std::vector<at::Tensor>& read = {}) {
  return EnvData::of(info.Env())
      .lane->submit(info.Env(), Modes{}, StorageUse("save").add(read), std::move(work));
}

/// (path | uint8 tensor) → Promise<[name, bytes][]>
Napi::Value list_records(const Napi::CallbackInfo& info) {
  return submit(info, [source = to_byte_source(info[0])]() -> Lane::Finish {
    return [records = archive_records(source)](Napi::Env env) {
      auto array = Napi::Array::New(env, records.size());
      for (uint32_t i = 0; i < records.size(); ++i) {
        auto pair = Napi::Array::New(env, 2);
        pair.Set(0u, Napi::String::New(env, records[i].first));
        pair.Set(1u, Napi::Number::New(env, static_cast<double>(records[i].second)));
        array.Set(i, pair);
      }
      return array;
    };
  });
}

/// (path | uint8 tensor, names) → Promise<uint8 tensors>
Napi::Value read_records_of(const Napi::CallbackInfo& info) {
  return submit(info, [source = to_byte_source(info[0]), names = to_strings(info[1])]() -> Lane::Finish {
    return [records = read_records(source, names)](Napi::Env env) { return to_js_tensors(env, records); };
  });
}

/// (path, [name, tensor][]) → Promise
Napi::Value write_archive_of(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  std::vector<std::pair<std::string, at::Tensor>> records;
  const auto entries = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < entries.Length(); ++i) {
    const auto pair = entries.Get(i).As<Napi::Array>();
    records.emplace_back(pair.Get(0u).As<Napi::String>(), unwrap_tensor(pair.Get(1u)));
  }
  std::vector<at::Tensor> read;
  for (const auto& [name, tensor] : records) read.push_back(tensor);
  const auto work = [path, records = std::move(records)]() -> Lane::Finish {
    write_archive(path, records);
    return [](Napi::Env env) { return env.Undefined(); };
  };
  return submit(info, work, read);
}

/// (path, offset, length) → Promise<uint8 tensor>
Napi::Value read_file_bytes(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const int64_t offset = info[1].As<Napi::Number>().Int64Value();
  const int64_t length = info[2].As<Napi::Number>().Int64Value();
  return submit(info, [path, offset, length]() -> Lane::Finish {
    return [bytes = read_bytes(path, offset, length)](Napi::Env env) { return wrap_tensor(env, bytes); };
  });
}

/// (path, tensors) → Promise
Napi::Value write_file_bytes(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const auto parts = to_tensors(info[1]);
  const auto work = [path, parts]() -> Lane::Finish {
    write_bytes(path, parts);
    return [](Napi::Env env) { return env.Undefined(); };
  };
  return submit(info, work, parts);
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
