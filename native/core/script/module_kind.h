#pragma once
#include <torch/csrc/jit/api/module.h>

namespace sos {

/// How a module came to be. A traced one has baked in the mode it was traced in; a frozen one has neither
/// parameters nor submodules; `undetermined` ones have nothing in which a script and a trace differ.
enum class ModuleKind { scripted, traced, frozen, undetermined };

/// An archive does not say; the graphs of its methods show it.
ModuleKind kind_of(const torch::jit::Module& module);

}  // namespace sos
