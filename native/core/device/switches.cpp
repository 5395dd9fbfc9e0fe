#include "core/device/switches.h"

#include <ATen/Context.h>

#include <map>

#include "core/base/error.h"
#include "core/context/attention.h"

namespace sos {
namespace {

struct Switch {
  bool (*get)(const at::Context&);
  void (*set)(at::Context&, bool);
};

const Switch& find_switch(const std::string& name) {
  using at::Context;
  static const std::map<std::string, Switch> switches = {
      {"backends.cuda.matmul.allow_tf32",
       {[](const Context& c) { return c.allowTF32CuBLAS(); },
        [](Context& c, bool on) { c.setAllowTF32CuBLAS(on); }}},
      {"backends.cuda.math_sdp",
       {[](const Context& c) { return c.userEnabledMathSDP(); },
        [](Context& c, bool on) { c.setSDPUseMath(on); }}},
      {"backends.cuda.flash_sdp",
       {[](const Context& c) { return c.userEnabledFlashSDP(); },
        [](Context& c, bool on) { c.setSDPUseFlash(on); }}},
      {"backends.cuda.mem_efficient_sdp",
       {[](const Context& c) { return c.userEnabledMemEfficientSDP(); },
        [](Context& c, bool on) { c.setSDPUseMemEfficient(on); }}},
      {"backends.cuda.cudnn_sdp",
       {[](const Context& c) { return c.userEnabledCuDNNSDP(); },
        [](Context& c, bool on) { c.setSDPUseCuDNN(on); }}},
      {"backends.cudnn.enabled",
       {[](const Context& c) { return c.userEnabledCuDNN(); },
        [](Context& c, bool on) { c.setUserEnabledCuDNN(on); }}},
      {"backends.cudnn.allow_tf32",
       {[](const Context& c) { return c.allowTF32CuDNN(); },
        [](Context& c, bool on) { c.setAllowTF32CuDNN(on); }}},
      {"backends.cudnn.benchmark",
       {[](const Context& c) { return c.benchmarkCuDNN(); },
        [](Context& c, bool on) { c.setBenchmarkCuDNN(on); }}},
      {"backends.cudnn.deterministic",
       {[](const Context& c) { return c.deterministicCuDNN(); },
        [](Context& c, bool on) { c.setDeterministicCuDNN(on); }}},
      {"backends.mkldnn.enabled",
       {[](const Context& c) { return c.userEnabledMkldnn(); },
        [](Context& c, bool on) { c.setUserEnabledMkldnn(on); }}},
      {"backends.mkldnn.deterministic",
       {[](const Context& c) { return c.deterministicMkldnn(); },
        [](Context& c, bool on) { c.setDeterministicMkldnn(on); }}},
  };
  if (const auto found = switches.find(name); found != switches.end()) return found->second;
  throw Error("ERR_INVALID_ARGUMENT", "expected the name of a switch but received '" + name + "'");
}

void undisturbed(const std::string& name, const std::function<void()>& body) {
  if (name.ends_with("_sdp")) {
    with_attention_switches(body);
  } else {
    body();
  }
}

}  // namespace

bool get_switch(const std::string& name) {
  const Switch& found = find_switch(name);
  bool on = false;
  undisturbed(name, [&] { on = found.get(at::globalContext()); });
  return on;
}

void set_switch(const std::string& name, bool on) {
  const Switch& found = find_switch(name);
  undisturbed(name, [&] { found.set(at::globalContext(), on); });
}

std::string float32_matmul_precision() {
  switch (at::globalContext().float32MatmulPrecision()) {
    case at::Float32MatmulPrecision::HIGHEST:
      return "highest";
    case at::Float32MatmulPrecision::HIGH:
      return "high";
    default:
      return "medium";
  }
}

void set_float32_matmul_precision(const std::string& precision) {
  at::globalContext().setFloat32MatmulPrecision(precision);
}

void use_deterministic_algorithms(bool mode, bool warn_only) {
  at::globalContext().setDeterministicAlgorithms(mode, warn_only);
}

bool deterministic_algorithms() {
  return at::globalContext().deterministicAlgorithms();
}

bool deterministic_algorithms_warn_only() {
  return at::globalContext().deterministicAlgorithmsWarnOnly();
}

}  // namespace sos
