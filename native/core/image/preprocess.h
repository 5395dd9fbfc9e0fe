#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace sos {

/// How an image becomes the input of a network, in torchvision's order (src/data/preprocess.ts).
struct Preprocess {
  int64_t resize = 0;  ///< the length of the shorter side after resizing; 0 leaves the size as it is
  bool bicubic = false;
  int64_t crop = 0;  ///< the side of the square that is cut from the centre; 0 leaves the size as it is
  std::vector<double> mean;  ///< of each channel, of values scaled to [0, 1]
  std::vector<double> std;
};

/// Resizes in uint8 with antialiasing, crops, scales to [0, 1] and normalises. It runs on the calling thread
/// alone.
///
/// @param images uint8 [N, C, H, W] on the CPU; channels-last order is the quickest
/// @param out the result is written here: float32 [N, C, h, w]; a new tensor is made if it is not given
/// Throws Error `ERR_PREPROCESS` if the recipe does not fit these images. It needs a mean and a standard
/// deviation for each channel, finite in float32, a standard deviation that is not 0, and sizes of 0 to
/// 65,535 pixels. Throws `ERR_INVALID_ARGUMENT` for other tensors, and `ERR_IMAGE` if the resized image has
/// more than kMostPixels.
at::Tensor preprocess(const at::Tensor& images, const Preprocess& recipe,
                      const std::optional<at::Tensor>& out = std::nullopt);

}  // namespace sos
