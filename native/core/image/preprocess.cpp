#include "core/image/preprocess.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/error.h"
#include "core/image/jpeg.h"
#include "core/operators/convert_value.h"

namespace sos {
namespace {

/// Makes the shorter side `target` long and the longer one int(target · long / short), as torchvision and
/// Python compute it.
at::Tensor resize(const at::Tensor& images, int64_t target, bool bicubic) {
  const int64_t height = images.size(2);
  const int64_t width = images.size(3);
  const int64_t shorter = std::min(height, width);
  if (target == 0 || shorter == target) return images;
  const auto scaled = [&](int64_t side) {
    return side == shorter
               ? target
               : static_cast<int64_t>(static_cast<double>(target * side) / static_cast<double>(shorter));
  };
  const std::array<int64_t, 2> size = {scaled(height), scaled(width)};
  refuse_bomb(size[0], size[1]);
  return bicubic ? at::_upsample_bicubic2d_aa(images, size, false)
                 : at::_upsample_bilinear2d_aa(images, size, false);
}

/// `twice` / 2, rounded as Python's round() does, with halves to the even number. torchvision uses it for the
/// corner of the crop.
int64_t half_to_even(int64_t twice) {
  return twice % 2 == 0 || (twice - 1) % 4 == 0 ? twice / 2 : twice / 2 + 1;
}

/// Images that are smaller than the crop are padded with black on both sides, as in torchvision.
at::Tensor centre_crop(at::Tensor images, int64_t side) {
  if (side == 0) return images;
  refuse_bomb(side, side);
  const int64_t pad_x = std::max<int64_t>(side - images.size(3), 0);
  const int64_t pad_y = std::max<int64_t>(side - images.size(2), 0);
  if (pad_x > 0 || pad_y > 0) {
    images = at::constant_pad_nd(images, {pad_x / 2, (pad_x + 1) / 2, pad_y / 2, (pad_y + 1) / 2}, 0);
  }
  return images.narrow(2, half_to_even(images.size(2) - side), side)
      .narrow(3, half_to_even(images.size(3) - side), side);
}

/// The value of each byte in a channel, by the float32 operations of torchvision's ToTensor and Normalize.
std::array<float, 256> levels(double mean, double std) {
  std::array<float, 256> table;
  for (int level = 0; level < 256; ++level) {
    table[level] = (static_cast<float>(level) / 255.0F - static_cast<float>(mean)) / static_cast<float>(std);
  }
  return table;
}

/// It does not use libtorch's operators: they would share the work among threads, and each image has a thread
/// already.
void normalise(const at::Tensor& images, const Preprocess& recipe, const at::Tensor& out) {
  const auto* source = images.const_data_ptr<uint8_t>();
  auto* target = out.mutable_data_ptr<float>();
  const auto from = images.strides();
  const auto to = out.strides();
  const int64_t width = images.size(3);
  for (int64_t c = 0; c < images.size(1); ++c) {
    const auto table = levels(recipe.mean[c], recipe.std[c]);
    for (int64_t n = 0; n < images.size(0); ++n) {
      for (int64_t y = 0; y < images.size(2); ++y) {
        const auto* in = source + n * from[0] + c * from[1] + y * from[2];
        auto* row = target + n * to[0] + c * to[1] + y * to[2];
        for (int64_t x = 0; x < width; ++x, in += from[3]) row[x] = table[*in];
      }
    }
  }
}

void check_recipe(const Preprocess& recipe, int64_t channels) {
  const auto refuse = [](const std::string& what) {
    throw Error("ERR_PREPROCESS", "expected a recipe for these images but " + what);
  };
  const auto finite = [](double value) { return std::isfinite(static_cast<float>(value)); };
  const auto size = static_cast<size_t>(channels);
  if (recipe.mean.size() != size || recipe.std.size() != size) {
    refuse("for " + std::to_string(channels) + " channels it has " + std::to_string(recipe.mean.size()) +
           " means and " + std::to_string(recipe.std.size()) + " standard deviations");
  }
  if (!std::all_of(recipe.mean.begin(), recipe.mean.end(), finite)) refuse("a mean is not finite");
  for (const double std : recipe.std) {
    if (!finite(std) || static_cast<float>(std) == 0) refuse("a standard deviation is 0 or not finite");
  }
  constexpr int64_t kLongest = 65535;
  for (const int64_t side : {recipe.resize, recipe.crop}) {
    if (side < 0 || side > kLongest) refuse("it has a size of " + std::to_string(side));
  }
}

void check_images(const at::Tensor& images) {
  const bool fits = images.dim() == 4 && images.is_cpu() && images.layout() == at::kStrided &&
                    images.scalar_type() == at::kByte && images.size(1) > 0 && images.size(2) > 0 &&
                    images.size(3) > 0;
  if (!fits) {
    throw Error("ERR_INVALID_ARGUMENT",
                "expected images as uint8 [N, C, H, W] on the CPU but received " + describe(images));
  }
}

}  // namespace

at::Tensor preprocess(const at::Tensor& images, const Preprocess& recipe,
                      const std::optional<at::Tensor>& out) {
  check_images(images);
  check_recipe(recipe, images.size(1));
  const auto cropped = centre_crop(resize(images, recipe.resize, recipe.bicubic), recipe.crop);
  const auto result = out ? *out : at::empty(cropped.sizes(), at::kFloat);
  const bool rows_lie_close = result.dim() == 4 && (result.size(3) == 1 || result.stride(3) == 1);
  if (result.scalar_type() != at::kFloat || !result.is_cpu() || result.layout() != at::kStrided ||
      result.sizes() != cropped.sizes() || !rows_lie_close) {
    throw Error(
        "ERR_INVALID_ARGUMENT",
        "expected a contiguous float32 tensor on the CPU with the size to which the images are cropped");
  }
  normalise(cropped, recipe, result);
  return result;
}

}  // namespace sos
