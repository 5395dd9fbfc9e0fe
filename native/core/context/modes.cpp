#include "core/context/modes.h"

#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>

namespace sos {

namespace autocast = at::autocast;

constinit thread_local Modes ModeGuard::current_;

std::optional<c10::ScalarType> Modes::autocast_dtype(size_t device) const {
  switch ((bits >> (3 + 2 * device)) & 3) {
    case 1:
      return at::kHalf;
    case 2:
      return at::kBFloat16;
    default:
      return std::nullopt;
  }
}

void ModeGuard::enter(Modes modes) {
  if (modes.inference() != previous_.inference()) inference_.emplace(modes.inference());
  previous_grad_ = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(modes.grad_enabled());
  if (modes.excluded_attention() != previous_.excluded_attention()) {
    attention_.emplace(modes.excluded_attention());
  }
  current_ = modes;
  if (!modes.autocast() && !previous_.autocast()) return;
  previous_caches_ = autocast::is_autocast_cache_enabled();
  autocast::set_autocast_cache_enabled(modes.caches_casts());
  autocast::increment_nesting();
  for (size_t i = 0; i < Modes::kDevices.size(); ++i) {
    const auto device = Modes::kDevices[i];
    const auto dtype = modes.autocast_dtype(i);
    previous_dtypes_[i] = autocast::get_autocast_dtype(device);
    autocast::set_autocast_enabled(device, dtype.has_value());
    if (dtype) autocast::set_autocast_dtype(device, *dtype);
  }
}

void ModeGuard::leave() {
  if (current_.autocast() || previous_.autocast()) {
    for (size_t i = 0; i < Modes::kDevices.size(); ++i) {
      autocast::set_autocast_enabled(Modes::kDevices[i], previous_.autocast_dtype(i).has_value());
      autocast::set_autocast_dtype(Modes::kDevices[i], previous_dtypes_[i]);
    }
    // The cached casts would be out of date once the weights are written to.
    if (autocast::decrement_nesting() == 0) autocast::clear_cache();
    autocast::set_autocast_cache_enabled(previous_caches_);
  }
  c10::GradMode::set_enabled(previous_grad_);
  inference_.reset();
  attention_.reset();
  current_ = previous_;
}

}  // namespace sos
