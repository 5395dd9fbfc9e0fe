#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace sos {

/// The most pixels of an image, decoded or resized: Pillow's limit too (twice its MAX_IMAGE_PIXELS, from
/// where on it refuses). More is an attack on the memory, or a mistake.
constexpr int64_t kMostPixels = 178'956'970;

/// Throws Error `ERR_IMAGE` where an image of this size has more than kMostPixels.
void refuse_bomb(int64_t height, int64_t width);

/// Whether libturbojpeg was there when this was built; where not, decode_jpeg() leaves every image to others.
bool has_jpeg_decoder();

/// Decodes a JPEG as Pillow does: accurate DCT, smooth upsampling of the chroma, no colour profile, no EXIF
/// orientation. A greyscale image that is asked for in colour has its values in all three channels.
///
/// Nothing comes back where the image is left to a more general decoder: bytes that are no JPEG, CMYK and
/// YCCK, colour where grey is asked for, and whatever libturbojpeg has a warning or an error about.
///
/// @return uint8 [1, channels, H, W] in channels-last order
/// Throws Error `ERR_IMAGE` where there are more than kMostPixels.
std::optional<at::Tensor> decode_jpeg(std::span<const uint8_t> bytes, int64_t channels);

/// The same for a file. Throws Error `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`, `ERR_IMAGE`.
std::optional<at::Tensor> decode_jpeg_file(const std::string& path, int64_t channels);

}  // namespace sos
