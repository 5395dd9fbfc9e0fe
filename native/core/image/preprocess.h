#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace sos {

/// How an image becomes the input of a network, in torchvision's order (src/data/preprocess.ts).
struct Preprocess {
  int64_t resize = 0;  ///< the shorter side afterwards; 0 leaves the size
  bool bicubic = false;
  int64_t crop = 0;          ///< the side of the square from the centre; 0 leaves the size
  std::vector<double> mean;  ///< of each channel, for values scaled to [0, 1]
  std::vector<double> std;
};

/// Resizes in uint8 with antialiasing, crops, scales to [0, 1] and normalises. Runs on the calling thread
/// alone.
///
/// @param images uint8 [N, C, H, W] on the CPU, quickest in channels-last order
/// @param out where the result goes: float32 [N, C, h, w]; made where there is none
/// Throws Error `ERR_PREPROCESS` where the recipe is none for these images: a mean and a standard deviation
/// for each channel, finite in float32, the latter not 0; sizes of 0 to 65,535 pixels; `ERR_INVALID_ARGUMENT`
/// for other tensors; `ERR_IMAGE` where the resized image has more than kMostPixels.
at::Tensor preprocess(const at::Tensor& images, const Preprocess& recipe,
                      const std::optional<at::Tensor>& out = std::nullopt);

}  // namespace sos
