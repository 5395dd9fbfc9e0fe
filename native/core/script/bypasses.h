#pragma once
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <vector>

#include "core/script/call_inliner.h"
#include "core/script/tapped_graph.h"

namespace sos {

// The ways in which a tapped submodule is passed by without a call that its tap sees.

/// Makes the code of `graph` take the calls of tapped submodules where it could take a fused operator in the
/// place of the module around them: nn.TransformerEncoderLayer does so in eval mode without gradients, and
/// not where it, or a part of it, has hooks. Throws Error `ERR_HOOK_BYPASSED` where there are no calls to
/// take, as in a trace of the fused operator.
void take_the_calls(const torch::jit::Module& root, torch::jit::Graph& graph, const CallInliner& inliner,
                    const std::vector<Tap>& taps);

/// Throws Error `ERR_HOOK_BYPASSED` where a tapped submodule may be the callee of a call that was not
/// followed, or a part of the callee.
void expect_followed(const torch::jit::Module& root, const CallInliner& inliner,
                     const std::vector<Tap>& taps);

/// Throws Error `ERR_NOT_CALLED` where a tap is expected to see calls, and no method of the module has any.
void expect_called(const torch::jit::Module& root, const std::vector<Tap>& taps);

}  // namespace sos
