#pragma once
#include <cstdint>
#include <memory>

#include "core/script/script_module.h"

namespace sos {

/// Lends modules between the environments of this process by numbers, which a message can carry. A module
/// that is lent is not kept alive. Its weights' memory stays where it is from then on (keep_in_place), for
/// any thread may be reading it.
uint64_t share_module(const std::shared_ptr<ScriptModule>& module);

/// Throws Error `ERR_BUSY` where `tensor` is a weight of a module that is lent, whose memory `what` would
/// exchange.
void refuse_exchange(const at::Tensor& tensor, const std::string& what);

/// Throws Error `ERR_SHARED_GONE` where the module was freed, or the number is of no module.
std::shared_ptr<ScriptModule> adopt_module(uint64_t id);

}  // namespace sos
