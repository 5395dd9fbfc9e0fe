#pragma once
#include <torch/csrc/jit/api/module.h>

namespace sos {

/// How a module was made. Tracing fixes the mode, train or eval, in the graph. A frozen module has neither
/// parameters nor submodules. A module is `undetermined` if it has nothing in which a script and a trace
/// differ.
enum class ModuleKind { scripted, traced, frozen, undetermined };

/// Finds the kind in the graphs of the module's methods, since an archive does not name it.
ModuleKind kind_of(const torch::jit::Module& module);

}  // namespace sos
