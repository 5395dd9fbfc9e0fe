#include "core/script_module.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace {

struct TemporaryFile {
  std::string path =
      (std::filesystem::temp_directory_path() / ("sos_core_test_" + std::to_string(::getpid()) + ".pt"))
          .string();
  ~TemporaryFile() { std::filesystem::remove(path); }
};

void save_linear(const std::string& path) {
  torch::jit::Module module("__torch__.torch.nn.modules.linear.Linear");
  module.register_parameter("weight", at::full({3, 2}, 0.5), false);
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define("def forward(self, x):\n    return torch.linear(x, self.weight)\n");
  module.save(path, {{"sos.json", "{}"}});
}

std::string code_of(const std::string& path) {
  try {
    sos::ScriptModule::load(path, std::nullopt);
  } catch (const sos::Error& error) {
    return error.code;
  }
  return "";
}

}  // namespace

TEST_CASE("a module is loaded, called, described and saved with its extra files") {
  const TemporaryFile file;
  save_linear(file.path);
  auto module = sos::ScriptModule::load(file.path, std::nullopt);
  CHECK(module->extra_files().at("sos.json") == "{}");
  sos::HookedRun hooks;
  const auto output = module->call("forward", {{at::ones({1, 2})}, {}}, hooks);
  CHECK(output.toTensor().equal(at::ones({1, 3})));
  CHECK(module->modules()[0].type == "torch.nn.modules.linear.Linear");
  CHECK(module->parameters()[0].first == "weight");
  CHECK(module->is_training());
  module->train(false);
  CHECK_FALSE(module->is_training());
  module->save(file.path, {{"other", "text"}});
  const auto again = sos::ScriptModule::load(file.path, std::nullopt);
  CHECK(again->extra_files() == sos::ExtraFiles{{"other", "text"}, {"sos.json", "{}"}});
}

TEST_CASE("a save that fails is an error") {
  const TemporaryFile file;
  save_linear(file.path);
  const auto module = sos::ScriptModule::load(file.path, std::nullopt);
  for (const std::string path : {"/dev/full", "/nowhere/module.pt"}) {
    try {
      module->save(path, {});
      FAIL("it was not refused");
    } catch (const sos::Error& error) {
      CHECK(error.code == "ERR_OUTPUT");
    }
  }
}

TEST_CASE("a wrong call names the argument") {
  const TemporaryFile file;
  save_linear(file.path);
  auto module = sos::ScriptModule::load(file.path, std::nullopt);
  sos::HookedRun hooks;
  CHECK_THROWS_WITH(module->call("forward", {{}, {}}, hooks), doctest::Contains("'x'"));
  CHECK_THROWS_WITH(module->call("backward", {{}, {}}, hooks), doctest::Contains("'backward'"));
}

TEST_CASE("files that are no TorchScript are told apart") {
  const TemporaryFile file;
  CHECK(code_of(file.path) == "ERR_FILE_NOT_FOUND");
  std::ofstream(file.path) << "no zip";
  CHECK(code_of(file.path) == "ERR_NOT_TORCHSCRIPT");
  save_linear(file.path);
  std::filesystem::resize_file(file.path, std::filesystem::file_size(file.path) / 2);
  CHECK(code_of(file.path) == "ERR_NOT_TORCHSCRIPT");
}
