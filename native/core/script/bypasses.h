#pragma once
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <vector>

#include "core/script/call_inliner.h"
#include "core/script/tapped_graph.h"

namespace sos {

// These functions find the calls of a tapped submodule that its tap would not see.

/// A module may have a fused operator beside the calls of its submodules: nn.TransformerEncoderLayer runs it
/// in eval mode without gradients, unless the layer or a part of it has hooks. If a submodule of such a
/// module is tapped, this makes the code take the calls. Throws Error `ERR_HOOK_BYPASSED` if there are no
/// calls to take, as in a trace of the fused operator.
void take_the_calls(const torch::jit::Module& root, torch::jit::Graph& graph, const CallInliner& inliner,
                    const std::vector<Tap>& taps);

/// Throws Error `ERR_HOOK_BYPASSED` if a call that was not followed may be a call of a tapped submodule, or
/// of a module that contains one.
void expect_followed(const torch::jit::Module& root, const CallInliner& inliner,
                     const std::vector<Tap>& taps);

/// Throws Error `ERR_NOT_CALLED` if a tap must see calls, and no method of the module has any.
void expect_called(const torch::jit::Module& root, const std::vector<Tap>& taps);

}  // namespace sos
