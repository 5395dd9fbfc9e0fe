#pragma once
#include <c10/core/DeviceType.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/ScalarType.h>

#include <array>
#include <cstdint>
#include <optional>

#include "core/context/attention.h"

namespace sos {

/// The modes that an operator runs in, as one number that each call carries. libtorch keeps them for each
/// thread. Bit 0 is set if operators are recorded for gradients, bit 1 in inference mode, and bit 2 if
/// autocast does not keep the weights that it has cast. From bit 3 on come two bits for each of `kDevices`: 0
/// without autocast, 1 for float16, 2 for bfloat16. From bit 11 on come the kernels of attention that must
/// not be taken, numbered as in `AttentionGuard`.
struct Modes {
  static constexpr std::array<c10::DeviceType, 4> kDevices = {c10::kCPU, c10::kCUDA, c10::kMPS, c10::kXPU};

  uint32_t bits = 1;

  constexpr bool grad_enabled() const { return (bits & 1) != 0; }
  constexpr bool inference() const { return (bits & 2) != 0; }
  constexpr bool autocast() const { return ((bits >> 3) & 0xff) != 0; }
  constexpr uint8_t excluded_attention() const { return static_cast<uint8_t>(bits >> 11); }
  constexpr bool caches_casts() const { return (bits & 4) == 0; }
  std::optional<c10::ScalarType> autocast_dtype(size_t device) const;

  bool operator==(const Modes&) const = default;
};

/// Sets the modes of this thread while it lives. If they are set already, it costs one comparison.
class ModeGuard {
 public:
  explicit ModeGuard(Modes modes) : previous_(current_) {
    if (modes != previous_) enter(modes);
  }
  ~ModeGuard() {
    if (current_ != previous_) leave();
  }
  ModeGuard(const ModeGuard&) = delete;
  ModeGuard& operator=(const ModeGuard&) = delete;

 private:
  void enter(Modes modes);
  void leave();

  static constinit thread_local Modes current_;

  Modes previous_;
  std::optional<c10::InferenceMode> inference_;
  std::optional<AttentionGuard> attention_;
  bool previous_grad_ = true;
  bool previous_caches_ = true;
  std::array<c10::ScalarType, Modes::kDevices.size()> previous_dtypes_{};
};

}  // namespace sos
