#include "core/image/jpeg.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace {

// 9×6 pixels that Pillow 12.0 wrote (quality 60, chroma at half the resolution), and what Pillow decodes them
// to.
const std::string kColour =
    "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c"
    "1e17202e2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffdb0043010e0e"
    "0e131113261515264f352d354f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f"
    "4f4f4f4f4f4f4f4f4f4f4f4f4f4fffc00011080006000903012200021101031101ffc400160001010100000000000000"
    "000000000000000305ffc4001b10000201050000000000000000000000000004910616213262ffc40015010101000000"
    "00000000000000000000000205ffc4001b11000007010000000000000000000000000001030405132232ffda000c0301"
    "0002110311003f00aa74c2f8d60d1b617e60026cabb5efe8c18976b505a1ffd9";
const std::vector<int> kColourPixels = {
    0,   10,  225, 4,   12,  221, 30,  12,  208, 59,  11,  191, 92,  8,   168, 120, 8,   146, 150, 9,   124,
    169, 11,  106, 187, 16,  95,  10,  50,  233, 25,  52,  229, 51,  52,  218, 80,  52,  199, 111, 48,  178,
    141, 48,  154, 169, 50,  134, 190, 52,  114, 207, 57,  105, 17,  96,  215, 32,  98,  211, 57,  99,  201,
    87,  97,  182, 119, 94,  160, 149, 94,  136, 177, 95,  117, 197, 97,  97,  214, 102, 88,  20,  138, 200,
    34,  141, 197, 60,  141, 186, 89,  140, 169, 122, 136, 145, 152, 136, 123, 178, 138, 102, 199, 140, 84,
    215, 145, 73,  29,  189, 201, 43,  192, 198, 69,  192, 187, 99,  191, 170, 131, 188, 145, 161, 187, 122,
    189, 189, 103, 209, 190, 85,  225, 197, 74,  38,  220, 207, 53,  222, 203, 79,  222, 192, 108, 221, 175,
    141, 218, 150, 169, 218, 127, 199, 219, 108, 218, 221, 90,  234, 226, 79};
const std::string kGrey =
    "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c"
    "1e17202e2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffc0000b080006"
    "000901011100ffc4001500010100000000000000000000000000000507ffc40017100100030000000000000000000000"
    "000000064381ffda0008010100003f00360d5e29afffd9";
const std::vector<int> kGreyPixels = {0,   31,  56,  81,  116, 141, 167, 198, 224, 0,   31,  56,  81,  116,
                                      141, 167, 198, 224, 0,   31,  56,  81,  116, 141, 167, 198, 224, 0,
                                      31,  56,  81,  116, 141, 167, 198, 224, 0,   31,  56,  81,  116, 141,
                                      167, 198, 224, 0,   31,  56,  81,  116, 141, 167, 198, 224};
const std::string kCmyk =
    "ffd8ffee000e41646f626500640000000000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17"
    "202e2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffc000140800060009"
    "044311004d11005911004b1100ffc4001800000301010000000000000000000000000005070406ffc400201000010205"
    "05000000000000000000000000020406141751912231436181ffda000e0443004d0059004b00003f005b0371f86ea74c"
    "6e8c0d22976ad7b94e29a14e98dd183879b57607ffd9";

std::vector<uint8_t> bytes_of(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// Row by row and pixel by pixel, as Pillow gives them.
at::Tensor expected(const std::vector<int>& pixels, int64_t channels) {
  return at::tensor(pixels).to(at::kByte).reshape({1, 6, 9, channels}).permute({0, 3, 1, 2});
}

/// The same bytes with another size in the frame header.
std::vector<uint8_t> with_size(std::vector<uint8_t> bytes, uint16_t height, uint16_t width) {
  for (size_t i = 0; i + 8 < bytes.size(); ++i) {
    if (bytes[i] != 0xff || bytes[i + 1] != 0xc0) continue;
    bytes[i + 5] = height >> 8, bytes[i + 6] = height & 0xff;
    bytes[i + 7] = width >> 8, bytes[i + 8] = width & 0xff;
  }
  return bytes;
}

}  // namespace

TEST_CASE("JPEG is decoded to Pillow's pixels" * doctest::skip(!sos::has_jpeg_decoder())) {
  const auto colour = sos::decode_jpeg(bytes_of(kColour), 3);
  REQUIRE(colour.has_value());
  CHECK(colour->is_contiguous(at::MemoryFormat::ChannelsLast));
  CHECK(colour->equal(expected(kColourPixels, 3)));
  const auto grey = expected(kGreyPixels, 1);
  CHECK(sos::decode_jpeg(bytes_of(kGrey), 1)->equal(grey));
  CHECK(sos::decode_jpeg(bytes_of(kGrey), 3)->equal(grey.expand({1, 3, 6, 9})));
}

TEST_CASE("what is not a whole and plain JPEG is left to other decoders") {
  CHECK(!sos::decode_jpeg(bytes_of(kCmyk), 3));
  CHECK(!sos::decode_jpeg(bytes_of(kColour), 1));
  CHECK(!sos::decode_jpeg({}, 3));
  const auto whole = bytes_of(kColour);
  for (size_t length = 0; length < whole.size(); ++length) {
    CHECK(!sos::decode_jpeg(std::span(whole).first(length), 3));
  }
  CHECK(!sos::decode_jpeg(with_size(whole, 600, 900), 3));
}

TEST_CASE("an image of too many pixels is refused before memory is allocated" *
          doctest::skip(!sos::has_jpeg_decoder())) {
  try {
    sos::decode_jpeg(with_size(bytes_of(kColour), 65000, 65000), 3);
    FAIL("it was decoded");
  } catch (const sos::Error& error) {
    CHECK(error.code == "ERR_IMAGE");
    CHECK(std::string(error.what()).find("65000×65000") != std::string::npos);
  }
}

TEST_CASE("a damaged byte makes another image, or no image") {
  for (const auto& hex : {kColour, kGrey}) {
    const auto whole = bytes_of(hex);
    for (size_t i = 0; i < whole.size(); ++i) {
      for (int change = 1; change < 256; change = change * 3 + 1) {
        auto damaged = whole;
        damaged[i] ^= static_cast<uint8_t>(change);
        try {
          const auto decoded = sos::decode_jpeg(damaged, 3);
          if (decoded) CHECK(decoded->size(1) == 3);
        } catch (const sos::Error& error) {
          CHECK(error.code == "ERR_IMAGE");
        }
      }
    }
  }
}

TEST_CASE("an image has one channel or three") {
  const std::vector<uint8_t> bytes(100, 0xff);
  for (const int64_t channels : {-1, 0, 2, 4}) {
    if (sos::has_jpeg_decoder()) CHECK_THROWS_AS(sos::decode_jpeg(bytes, channels), sos::Error);
  }
}
