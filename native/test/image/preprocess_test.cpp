#include "core/image/preprocess.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

#include <limits>

#include "core/base/error.h"

namespace {

sos::Preprocess recipe(int64_t resize, int64_t crop) {
  return {resize, false, crop, {0.0}, {1.0 / 255}};
}

/// Each pixel has a level of its own: its row times 16 plus its column.
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

TEST_CASE("the crop's corner is half of the rest, rounded as in Python") {
  const auto corner = [](int64_t height, int64_t width, int64_t side) {
    const auto cropped = sos::preprocess(grid(height, width), recipe(0, side));
    return std::lround(cropped[0][0][0][0].item<float>());
  };
  CHECK(corner(8, 8, 4) == 2 * 16 + 2);
  CHECK(corner(9, 11, 4) == 2 * 16 + 4);   // 2.5 → 2, 3.5 → 4
  CHECK(corner(5, 7, 4) == 0 * 16 + 2);    // 0.5 → 0, 1.5 → 2
  CHECK(corner(13, 15, 4) == 4 * 16 + 6);  // 4.5 → 4, 5.5 → 6
}

TEST_CASE("an image that is smaller than the crop is padded with black, with less of it before than after") {
  const auto padded = sos::preprocess(grid(2, 3).add(1), recipe(0, 5));
  CHECK(padded.sum().item<float>() == doctest::Approx(at::sum(grid(2, 3).add(1)).item<float>()));
  CHECK(padded[0][0][1][1].item<float>() == doctest::Approx(1));
  CHECK(padded[0][0][0].sum().item<float>() == 0);
}

TEST_CASE("levels are normalised by division and subtraction in float32") {
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

TEST_CASE("what does not fit is refused") {
  const auto thin = at::zeros({1, 1, 1, 2'000'000}, at::kByte);
  CHECK_THROWS_AS(sos::preprocess(thin, recipe(256, 224)), sos::Error);
  CHECK_THROWS_AS(sos::preprocess(grid(8, 8), recipe(0, 4), at::empty({1, 1, 4, 5})), sos::Error);
  CHECK_THROWS_AS(sos::preprocess(grid(8, 8), recipe(0, 4), at::empty({1, 1, 4, 4}, at::kDouble)),
                  sos::Error);
}

TEST_CASE("a recipe that does not fit the images is refused before anything is read") {
  const auto images = at::zeros({2, 3, 8, 8}, at::kByte);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> zeros(3, 0.0);
  const std::vector<double> ones(3, 1.0);
  const auto code = [&](const sos::Preprocess& recipe) -> std::string {
    try {
      sos::preprocess(images, recipe);
    } catch (const sos::Error& error) {
      return error.code;
    }
    return "done";
  };
  CHECK(code({0, false, 0, zeros, ones}) == "done");
  for (const auto& [mean, std] : std::vector<std::pair<std::vector<double>, std::vector<double>>>{
           {{}, {}},
           {{0, 0}, ones},
           {zeros, {1, 1}},
           {{0, 0, 0, 0}, {1, 1, 1, 1}},
           {{0, nan, 0}, ones},
           {{0, 0, infinity}, ones},
           {zeros, {1, 0, 1}},
           {zeros, {1, 1, nan}},
           {zeros, {1e-60, 1, 1}},
           {zeros, {1e60, 1, 1}},
       }) {
    CHECK(code({0, false, 0, mean, std}) == "ERR_PREPROCESS");
  }
  for (const int64_t side : {int64_t{-1}, int64_t{65536}, std::numeric_limits<int64_t>::max()}) {
    CHECK(code({side, false, 0, zeros, ones}) == "ERR_PREPROCESS");
    CHECK(code({0, false, side, zeros, ones}) == "ERR_PREPROCESS");
  }
  CHECK(code({0, false, 20000, zeros, ones}) == "ERR_IMAGE");
}

TEST_CASE("tensors that are not images or not targets are refused") {
  const sos::Preprocess recipe{0, false, 4, {0.0}, {1.0}};
  const auto code = [&](const at::Tensor& images,
                        const std::optional<at::Tensor>& out = std::nullopt) -> std::string {
    try {
      sos::preprocess(images, recipe, out);
    } catch (const sos::Error& error) {
      return error.code;
    }
    return "done";
  };
  const auto images = at::zeros({1, 1, 8, 8}, at::kByte);
  for (const auto& none : {at::zeros({1, 8, 8}, at::kByte), at::zeros({1, 1, 8, 8}),
                           at::zeros({1, 1, 0, 8}, at::kByte), at::zeros({1, 0, 8, 8}, at::kByte),
                           at::zeros({1, 1, 8, 8}, at::TensorOptions(at::kByte).device(at::kMeta))}) {
    CHECK(code(none) == "ERR_INVALID_ARGUMENT");
  }
  for (const auto& target : {at::zeros({1, 1, 4, 5}), at::zeros({1, 1, 4, 4}, at::kDouble), at::zeros({4, 4}),
                             at::zeros({1, 1, 4, 8}).slice(3, 0, 8, 2),
                             at::zeros({1, 1, 4, 4}, at::TensorOptions().device(at::kMeta))}) {
    CHECK(code(images, target) == "ERR_INVALID_ARGUMENT");
  }
  CHECK(code(images, at::zeros({1, 1, 4, 4})) == "done");
}
