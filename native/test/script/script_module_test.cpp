#include "core/script/script_module.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/error.h"
#include "core/context/storage_use.h"
#include "core/script/script_error.h"
#include "core/script/shared_modules.h"

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

std::shared_ptr<sos::ScriptModule> load_linear() {
  const TemporaryFile file;
  save_linear(file.path);
  auto module = sos::ScriptModule::load(file.path, std::nullopt);
  module->train(false);
  return module;
}

/// A root whose child `inner.layer` multiplies by a 2×2 matrix, loaded from a file.
std::shared_ptr<sos::ScriptModule> load_nested() {
  auto unit = std::make_shared<torch::jit::CompilationUnit>();
  torch::jit::Module layer("__torch__.Layer", unit);
  layer.register_parameter("weight", at::ones({2, 2}), false);
  layer.define("def forward(self, x):\n    y = torch.relu(x)\n    return torch.matmul(y, self.weight)\n");
  torch::jit::Module inner("__torch__.Inner", unit);
  inner.register_module("layer", layer);
  inner.define("def forward(self, x):\n    return self.layer.forward(x) + 1\n");
  torch::jit::Module root("__torch__.Root", unit);
  root.register_module("inner", inner);
  root.define("def forward(self, x):\n    return self.inner.forward(x)\n");
  const TemporaryFile file;
  root.save(file.path);
  return sos::ScriptModule::load(file.path, std::nullopt);
}

at::Tensor forward(sos::ScriptModule& module, const at::Tensor& x) {
  sos::HookedRun plain;
  return module.call("forward", {{x}, {}}, plain).toTensor();
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
  CHECK(forward(*module, at::ones({1, 2})).equal(at::ones({1, 3})));
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
  const auto module = load_linear();
  sos::HookedRun plain;
  CHECK_THROWS_WITH(module->call("forward", {{}, {}}, plain), doctest::Contains("'x'"));
  CHECK_THROWS_WITH(module->call("backward", {{}, {}}, plain), doctest::Contains("'backward'"));
}

TEST_CASE("a call passes its values to its taps") {
  const auto module = load_nested();
  sos::HookedRun hooked{.taps = {{.path = "inner.layer"}}};
  module->call("forward", {{at::ones({1, 2})}, {}}, hooked);
  REQUIRE(hooked.captures.size() == 1);
  CHECK(hooked.captures[0].value.toTensor().equal(at::full({1, 2}, 2.0)));
}

TEST_CASE("a failure names the submodule and the line that failed") {
  const auto module = load_nested();
  try {
    forward(*module, at::ones({1, 3}));
    FAIL("it did not fail");
  } catch (const sos::ScriptError& error) {
    CHECK(error.code == "ERR_TORCH");
    CHECK(error.submodule == "inner.layer");
    CHECK(error.line.find("code/__torch__") != std::string::npos);
    CHECK(error.line.find("torch.matmul") != std::string::npos);
    CHECK(std::string(error.what()).find("1x3 and 2x2") != std::string::npos);
  }
}

TEST_CASE("a clone has weights of its own, a submodule shares them") {
  const auto module = load_nested();
  const auto clone = module->clone();
  module->submodule("inner.layer")->parameters().at(0).second.fill_(3);
  CHECK(forward(*module, at::ones({1, 2})).equal(at::full({1, 2}, 7.0)));
  CHECK(forward(*clone, at::ones({1, 2})).equal(at::full({1, 2}, 3.0)));
  CHECK_THROWS_AS(module->submodule("outer"), sos::Error);
}

TEST_CASE("a frozen copy has no parameters and gives the same result") {
  const auto module = load_linear();
  const auto frozen = module->freeze({});
  CHECK(frozen->parameters().empty());
  CHECK((frozen->kind() == sos::ModuleKind::frozen));
  CHECK(frozen->extra_files() == module->extra_files());
  const auto x = at::arange(2, at::kFloat).view({1, 2});
  CHECK(forward(*frozen, x).equal(forward(*module, x)));
  CHECK(forward(*module->optimize_for_inference({}), x).allclose(forward(*module, x)));
  module->train(true);
  CHECK_THROWS_AS(module->freeze({}), sos::Error);
}

TEST_CASE("weights change their dtype in place") {
  const auto module = load_linear();
  const auto held = module->parameters().at(0).second;
  module->to({.dtype = at::kDouble});
  CHECK((held.scalar_type() == at::kDouble));
  CHECK((forward(*module, at::ones({1, 2}, at::kDouble)).scalar_type() == at::kDouble));
}

TEST_CASE("a shared module is adopted by its number while it lives") {
  auto module = load_linear();
  const auto id = sos::share_module(module);
  CHECK(sos::share_module(module) == id);
  CHECK(sos::adopt_module(id) == module);
  const auto other = load_linear();
  CHECK(sos::share_module(other) != id);
  module.reset();
  CHECK_THROWS_AS(sos::adopt_module(id), sos::Error);
  CHECK_THROWS_AS(sos::adopt_module(0), sos::Error);
}

TEST_CASE("a call works on the memory of its arguments and of its module") {
  const auto module = load_linear();
  const auto x = at::zeros({4}), y = at::zeros({4}), z = at::zeros({4});
  c10::impl::GenericList list(c10::AnyType::get());
  list.push_back(c10::ivalue::Tuple::create({c10::IValue(y), c10::IValue(1)}));
  auto use = sos::StorageUse("forward").add({{x}, {{"others", list}}}).add(module);
  CHECK(use.name() == "forward");
  CHECK(use.covers(x.slice(0, 1, 2)));
  CHECK(use.covers(y));
  CHECK(use.covers(module->parameters().at(0).second));
  CHECK_FALSE(use.covers(z));
  CHECK_FALSE(use.covers(x.clone()));
  CHECK_FALSE(use.covers(at::Tensor()));
  CHECK(use.add(std::vector<at::Tensor>{z}).covers(z.view({2, 2})));
}

TEST_CASE("files that are not TorchScript are distinguished") {
  const TemporaryFile file;
  CHECK(code_of(file.path) == "ERR_FILE_NOT_FOUND");
  std::ofstream(file.path) << "no zip";
  CHECK(code_of(file.path) == "ERR_NOT_TORCHSCRIPT");
  save_linear(file.path);
  std::filesystem::resize_file(file.path, std::filesystem::file_size(file.path) / 2);
  CHECK(code_of(file.path) == "ERR_NOT_TORCHSCRIPT");
}
