#include "core/image/jpeg.h"

#include <ATen/Functions.h>
#include <caffe2/serialize/read_adapter_interface.h>

#include <array>
#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/serialization/byte_source.h"

#ifdef SOS_TURBOJPEG
#include <turbojpeg.h>
#endif

namespace sos {

void refuse_bomb(int64_t height, int64_t width) {
  if (width == 0 || height <= kMostPixels / width) return;
  throw Error("ERR_IMAGE", "expected an image of at most " + std::to_string(kMostPixels) +
                               " pixels but this one has " + std::to_string(width) + "×" +
                               std::to_string(height));
}

#ifdef SOS_TURBOJPEG

namespace {

constexpr std::array<uint8_t, 2> kStartOfImage = {0xff, 0xd8};

/// The largest product of scans and pixels that is decoded (src/data/jpeg-frame.ts).
constexpr int64_t kMostWork = 4'000'000'000;

/// Counts the scans of a JPEG by its markers. Scans within segments, as in a thumbnail, do not count.
int64_t scans_of(std::span<const uint8_t> bytes) {
  int64_t scans = 0;
  for (size_t at = 2; at + 3 < bytes.size();) {
    const uint8_t marker = bytes[at + 1];
    if (bytes[at] != 0xff || marker == 0xff) {
      ++at;
    } else if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;  // entropy-coded data, or a marker without a length
    } else if (marker == 0xd9) {
      break;
    } else {
      scans += marker == 0xda ? 1 : 0;
      at += 2 + (bytes[at + 2] << 8 | bytes[at + 3]);
    }
  }
  return scans;
}

struct EndDecompressor {
  void operator()(void* handle) const { tjDestroy(handle); }
};

}  // namespace

bool has_jpeg_decoder() {
  return true;
}

std::optional<at::Tensor> decode_jpeg(std::span<const uint8_t> bytes, int64_t channels) {
  if (channels != 1 && channels != 3) {
    throw Error("ERR_INVALID_ARGUMENT", "expected 1 or 3 channels but received " + std::to_string(channels));
  }
  // A decompressor for each image. That costs microseconds, and after an error in a header it would refuse
  // all later images.
  const std::unique_ptr<void, EndDecompressor> owner(tjInitDecompress());
  const tjhandle handle = owner.get();
  int width = 0;
  int height = 0;
  int subsampling = 0;
  int colourspace = 0;
  if (handle == nullptr || tjDecompressHeader3(handle, bytes.data(), bytes.size(), &width, &height,
                                               &subsampling, &colourspace) != 0) {
    return std::nullopt;
  }
  if (colourspace == TJCS_CMYK || colourspace == TJCS_YCCK) return std::nullopt;
  // The Y of a colour image is not the luma of its RGB.
  if (channels == 1 && colourspace != TJCS_GRAY) return std::nullopt;
  refuse_bomb(height, width);
  if (const auto scans = scans_of(bytes); scans * height * width > kMostWork) {
    throw Error("ERR_IMAGE", "its " + std::to_string(scans) + " scans over " + std::to_string(width) + "×" +
                                 std::to_string(height) + " pixels are too much work");
  }
  auto pixels = at::empty({1, height, width, channels}, at::kByte);
  // A file of a few bytes may contain thousands of scans over a huge image. More than 500 scans are an error
  // here.
  const int flags = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
  if (tjDecompress2(handle, bytes.data(), bytes.size(), pixels.data_ptr<uint8_t>(), width, 0, height,
                    channels == 1 ? TJPF_GRAY : TJPF_RGB, flags) != 0) {
    return std::nullopt;
  }
  return pixels.permute({0, 3, 1, 2});
}

std::optional<at::Tensor> decode_jpeg_file(const std::string& path, int64_t channels) {
  const auto file = open_source(path);
  std::array<uint8_t, 2> start = {};
  if (file->size() < start.size()) return std::nullopt;
  file->read(0, start.data(), start.size());
  if (start != kStartOfImage) return std::nullopt;
  std::vector<uint8_t> bytes(file->size());
  file->read(0, bytes.data(), bytes.size());
  try {
    return decode_jpeg(bytes, channels);
  } catch (const Error& error) {
    throw Error(error.code, path + ": " + error.what());
  }
}

#else

bool has_jpeg_decoder() {
  return false;
}

std::optional<at::Tensor> decode_jpeg(std::span<const uint8_t>, int64_t) {
  return std::nullopt;
}

std::optional<at::Tensor> decode_jpeg_file(const std::string&, int64_t) {
  return std::nullopt;
}

#endif

}  // namespace sos
