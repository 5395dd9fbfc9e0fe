#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace sos {

/// The largest number of pixels of an image, decoded or resized. It is Pillow's limit, too: twice its
/// MAX_IMAGE_PIXELS, above which it refuses. A larger image is an attack on the memory, or a mistake.
constexpr int64_t kMostPixels = 178'956'970;

/// Throws Error `ERR_IMAGE` if an image of this size has more than kMostPixels.
void refuse_bomb(int64_t height, int64_t width);

/// Whether libturbojpeg was found when this was built. Without it, decode_jpeg() decodes no image.
bool has_jpeg_decoder();

/// Decodes a JPEG as Pillow does: with the accurate DCT and smooth upsampling of the chroma, without colour
/// profile and EXIF orientation. If a greyscale image is asked for in colour, all three channels have its
/// values.
///
/// Returns nothing if the image is left to a more general decoder: bytes that are not a JPEG, CMYK and YCCK,
/// colour if grey is asked for, and everything that libturbojpeg has a warning or an error about.
///
/// @return uint8 [1, channels, H, W] in channels-last order
/// Throws Error `ERR_IMAGE` if there are more than kMostPixels.
std::optional<at::Tensor> decode_jpeg(std::span<const uint8_t> bytes, int64_t channels);

/// The same for a file. Throws Error `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`, `ERR_IMAGE`.
std::optional<at::Tensor> decode_jpeg_file(const std::string& path, int64_t channels);

}  // namespace sos
