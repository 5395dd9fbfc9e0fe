#include "core/base/error_text.h"

#include <doctest/doctest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/error_report.h>

TEST_CASE("the text of a failed compilation and of other exceptions is read") {
  torch::jit::Module module("__torch__.Net");
  try {
    module.define("def forward(self, x):\n    return nowhere(x)\n");
    FAIL("it compiled");
  } catch (const torch::jit::ErrorReport& error) {
    CHECK(sos::text_of(error).find("undefined value nowhere") != std::string::npos);
    CHECK(std::string(error.what()).find("undefined value nowhere") != std::string::npos);
  }
  CHECK(sos::text_of(std::runtime_error("plain")) == "plain");
}
