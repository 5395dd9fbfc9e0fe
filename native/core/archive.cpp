#include "core/archive.h"

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "core/error.h"

namespace sos {

void refuse_archive(const std::string& path, const std::string& code, const std::string& why) {
  throw Error(code, path + ": expected a TorchScript archive (written by torch.jit.save) but " + why);
}

ExtraFiles extra_files_of(const std::string& path) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (!std::filesystem::exists(status)) throw Error("ERR_FILE_NOT_FOUND", path + ": no such file");
  if (!std::filesystem::is_regular_file(status))
    refuse_archive(path, "ERR_NOT_TORCHSCRIPT", "this is not a file");
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  if (!file) throw Error("ERR_FILE_UNREADABLE", path + ": the file cannot be read; check its permissions");
  file.read(magic, 4);
  if (file.gcount() < 4 || std::string(magic, 4) != "PK\x03\x04") {
    refuse_archive(path, "ERR_NOT_TORCHSCRIPT",
                   "this is no zip archive; export the model with torch.jit.script(model).save(FILE)");
  }
  std::vector<std::string> records;
  try {
    caffe2::serialize::PyTorchStreamReader reader(path);
    records = reader.getAllRecords();
  } catch (const std::exception&) {
    refuse_archive(path, "ERR_NOT_TORCHSCRIPT",
                   "the zip archive is truncated or damaged; copy or export it again");
  }
  const auto has = [&](const std::string& name) {
    return std::find(records.begin(), records.end(), name) != records.end();
  };
  if (has("model.json")) {
    refuse_archive(path, "ERR_LEGACY_TORCHSCRIPT",
                   "this is in the legacy format of PyTorch 1.0–1.3; load it there and save it again");
  }
  if (has("data.pkl") && !has("constants.pkl")) {
    refuse_archive(
        path, "ERR_STATE_DICT",
        "this holds weights without a model (torch.save); build the model in Python, load them, and "
        "export it with "
        "torch.jit.script(model).save(FILE)");
  }
  if (!has("data.pkl")) refuse_archive(path, "ERR_NOT_TORCHSCRIPT", "this zip archive holds no module");
  ExtraFiles extra_files;
  for (const auto& record : records) {
    if (record.rfind("extra/", 0) == 0) extra_files[record.substr(6)] = "";
  }
  return extra_files;
}

}  // namespace sos
