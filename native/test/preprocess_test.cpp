#include "core/preprocess.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

#include "core/error.h"

namespace {

sos::Preprocess recipe(int64_t resize, int64_t crop) {
  return {resize, false, crop, {0.0}, {1.0 / 255}};
}

/// A level a pixel: its row times 16 and its column.
at::Tensor grid(int64_t height, int64_t width) {
  const auto rows = at::arange(height).mul(16).reshape({height, 1});
  return rows.add(at::arange(width)).to(at::kByte).reshape({1, 1, height, width});
}

}  // namespace

TEST_CASE("the shorter side is resized, the longer one int(target · long / short)") {
  const auto shape = [](int64_t height, int64_t width, int64_t target) {
    return sos::preprocess(at::zeros({1, 1, height, width}, at::kByte), recipe(target, 0)).sizes().vec();
  };
  CHECK(shape(10, 21, 8) == std::vector<int64_t>{1, 1, 8, 16});
  CHECK(shape(375, 500, 256) == std::vector<int64_t>{1, 1, 256, 341});
  CHECK(shape(500, 333, 256) == std::vector<int64_t>{1, 1, 384, 256});
  CHECK(shape(7, 9, 7) == std::vector<int64_t>{1, 1, 7, 9});
}

TEST_CASE("the crop's corner is Python's round of half the rest") {
  const auto corner = [](int64_t height, int64_t width, int64_t side) {
    const auto cropped = sos::preprocess(grid(height, width), recipe(0, side));
    return std::lround(cropped[0][0][0][0].item<float>());
  };
  CHECK(corner(8, 8, 4) == 2 * 16 + 2);
  CHECK(corner(9, 11, 4) == 2 * 16 + 4);   // 2.5 → 2, 3.5 → 4
  CHECK(corner(5, 7, 4) == 0 * 16 + 2);    // 0.5 → 0, 1.5 → 2
  CHECK(corner(13, 15, 4) == 4 * 16 + 6);  // 4.5 → 4, 5.5 → 6
}

TEST_CASE("what is smaller than the crop is padded with black, less before than after") {
  const auto padded = sos::preprocess(grid(2, 3).add(1), recipe(0, 5));
  CHECK(padded.sum().item<float>() == doctest::Approx(at::sum(grid(2, 3).add(1)).item<float>()));
  CHECK(padded[0][0][1][1].item<float>() == doctest::Approx(1));
  CHECK(padded[0][0][0].sum().item<float>() == 0);
}

TEST_CASE("levels are normalised as float32 division and subtraction do it") {
  const auto images = at::arange(512).to(at::kByte).reshape({2, 1, 16, 16}).expand({2, 3, 16, 16});
  sos::Preprocess plain = {0, false, 0, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  const auto channel = [&](const std::vector<double>& values) {
    return at::tensor(at::ArrayRef<double>(values), at::kFloat).reshape({1, 3, 1, 1});
  };
  const auto expected = images.to(at::kFloat).div(255).sub(channel(plain.mean)).div(channel(plain.std));
  CHECK(sos::preprocess(images, plain).equal(expected));
  CHECK(sos::preprocess(images.contiguous(at::MemoryFormat::ChannelsLast), plain).equal(expected));
  const auto batch = at::zeros({3, 3, 16, 16});
  sos::preprocess(images, plain, batch.narrow(0, 1, 2));
  CHECK(batch.narrow(0, 1, 2).equal(expected));
  CHECK(batch[0].count_nonzero().item<int64_t>() == 0);
}

TEST_CASE("what would not fit is refused") {
  const auto thin = at::zeros({1, 1, 1, 2'000'000}, at::kByte);
  CHECK_THROWS_AS(sos::preprocess(thin, recipe(256, 224)), sos::Error);
  CHECK_THROWS_AS(sos::preprocess(grid(8, 8), recipe(0, 4), at::empty({1, 1, 4, 5})), sos::Error);
  CHECK_THROWS_AS(sos::preprocess(grid(8, 8), recipe(0, 4), at::empty({1, 1, 4, 4}, at::kDouble)),
                  sos::Error);
}
