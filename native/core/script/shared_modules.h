#pragma once
#include <cstdint>
#include <memory>

#include "core/script/script_module.h"

namespace sos {

/// Lends a module to the other environments of this process. Its number can be sent in a message. Lending
/// does not keep the module alive. From then on the memory of its weights stays where it is (keep_in_place),
/// since any thread may be reading it.
uint64_t share_module(const std::shared_ptr<ScriptModule>& module);

/// Throws Error `ERR_BUSY` if `tensor` is a weight of a module that is lent. `what` names the operation that
/// would exchange its memory.
void refuse_exchange(const at::Tensor& tensor, const std::string& what);

/// The module with that number. Throws Error `ERR_SHARED_GONE` if the module was freed, or if no module has
/// the number.
std::shared_ptr<ScriptModule> adopt_module(uint64_t id);

}  // namespace sos
