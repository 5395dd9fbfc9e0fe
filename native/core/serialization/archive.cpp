#include "core/serialization/archive.h"

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "core/base/error.h"

namespace sos {

void refuse_archive(const ByteSource& source, const std::string& code, const std::string& why) {
  throw Error(
      code, source_name(source) + ": expected a TorchScript archive (written by torch.jit.save) but " + why);
}

ExtraFiles extra_files_of(const ByteSource& source) {
  const auto* path = std::get_if<std::string>(&source);
  std::error_code failure;
  if (path != nullptr && std::filesystem::is_directory(*path, failure)) {
    refuse_archive(source, "ERR_NOT_TORCHSCRIPT", "this is not a file");
  }
  const auto adapter = open_source(source);
  char magic[4] = {};
  if (adapter->size() < 4 || adapter->read(0, magic, 4) != 4 || std::string(magic, 4) != "PK\x03\x04") {
    refuse_archive(source, "ERR_NOT_TORCHSCRIPT",
                   "this is not a zip archive; export the model with torch.jit.script(model).save(FILE)");
  }
  std::vector<std::string> records;
  try {
    caffe2::serialize::PyTorchStreamReader reader(adapter);
    records = reader.getAllRecords();
  } catch (const std::exception&) {
    refuse_archive(source, "ERR_NOT_TORCHSCRIPT",
                   "the zip archive is truncated or damaged; copy or export it again");
  }
  const auto has = [&](const std::string& name) {
    return std::find(records.begin(), records.end(), name) != records.end();
  };
  if (has("model.json")) {
    refuse_archive(
        source, "ERR_LEGACY_TORCHSCRIPT",
        "this is in the legacy format of PyTorch 1.0–1.3; load it with that version and save it again");
  }
  if (has("data.pkl") && !has("constants.pkl")) {
    refuse_archive(
        source, "ERR_STATE_DICT",
        "this holds weights without a model (torch.save); load an export of the model, then give it the "
        "weights: model.loadStateDict(await loadStateDict(FILE))");
  }
  if (!has("data.pkl")) refuse_archive(source, "ERR_NOT_TORCHSCRIPT", "this zip archive contains no module");
  ExtraFiles extra_files;
  for (const auto& record : records) {
    if (record.rfind("extra/", 0) == 0) extra_files[record.substr(6)] = "";
  }
  return extra_files;
}

}  // namespace sos
