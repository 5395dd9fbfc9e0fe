#include "core/serialization/record_archive.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/base/error.h"
#include "core/memory/storage.h"
#include "core/serialization/file_bytes.h"

namespace {

struct TemporaryFile {
  std::string path =
      (std::filesystem::temp_directory_path() / ("sos_archive_test_" + std::to_string(::getpid()) + ".pt"))
          .string();
  ~TemporaryFile() { std::filesystem::remove(path); }
};

at::Tensor contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::memcpy(bytes.data_ptr(), text.data(), text.size());
  return bytes;
}

template <class Body>
std::string code_of(Body&& body) {
  try {
    body();
  } catch (const sos::Error& error) {
    return error.code;
  }
  return "";
}

}  // namespace

TEST_CASE("records come back from a file and from its bytes") {
  const TemporaryFile file;
  const auto matrix = at::arange(6, at::kInt).reshape({2, 3});
  sos::write_archive(
      file.path,
      {{"data.pkl", at::full({5}, 7, at::kByte)}, {"data/0", matrix.t()}, {"data/1", at::empty({0})}});
  const auto bytes = contents(file.path);
  for (const sos::ByteSource& source : {sos::ByteSource(file.path), sos::ByteSource(bytes)}) {
    const auto records = sos::archive_records(source);
    CHECK(records[0] == std::pair<std::string, int64_t>("data.pkl", 5));
    CHECK(records[1] == std::pair<std::string, int64_t>("data/0", 24));
    const auto read = sos::read_records(source, {"data/1", "data/0", "data/0"});
    CHECK(read[0].numel() == 0);
    CHECK(read[1].view(at::kInt).equal(matrix.t().contiguous().reshape({6})));
    CHECK(read[1].equal(read[2]));
    CHECK(code_of([&] { sos::read_records(source, {"data/2"}); }) == "ERR_DAMAGED_FILE");
  }
}

TEST_CASE("damaged archives are refused wherever they end") {
  const TemporaryFile file;
  sos::write_archive(file.path, {{"data.pkl", at::ones({5}, at::kByte)}});
  const auto bytes = contents(file.path);
  for (int64_t length = 0; length < bytes.numel(); length += 7) {
    CHECK(code_of([&] { sos::archive_records(bytes.slice(0, 0, length)); }) == "ERR_DAMAGED_FILE");
  }
  CHECK(code_of([&] { sos::archive_records(bytes.to(at::kInt)); }) == "ERR_INVALID_ARGUMENT");
  CHECK(code_of([] { sos::archive_records(std::string("/nowhere")); }) == "ERR_FILE_NOT_FOUND");
}

TEST_CASE("a full disk is an error of writing") {
  if (!std::filesystem::exists("/dev/full")) return;
  const auto tensor = at::zeros({1 << 16});
  CHECK(code_of([&] { sos::write_archive("/dev/full", {{"data/0", tensor}}); }) == "ERR_OUTPUT");
  CHECK(code_of([&] { sos::write_bytes("/dev/full", {tensor}); }) == "ERR_OUTPUT");
  CHECK(code_of([&] { sos::write_archive("/nowhere/file", {}); }) == "ERR_OUTPUT");
}

TEST_CASE("parts of a file are written in row-major order and read by their position") {
  const TemporaryFile file;
  sos::write_bytes(file.path, {at::ones({3}, at::kByte), at::arange(4, at::kFloat).reshape({2, 2}).t()});
  const auto read = sos::read_bytes(file.path, 3, 16);
  CHECK(sos::tensor_over(read, at::kFloat, 0, {4}, {1}).equal(at::tensor({0.F, 2.F, 1.F, 3.F})));
  CHECK(code_of([&] { sos::read_bytes(file.path, 4, 16); }) == "ERR_DAMAGED_FILE");
  CHECK(code_of([&] { sos::read_bytes(file.path, -1, 1); }) == "ERR_DAMAGED_FILE");
}

TEST_CASE("a tensor shares the storage that it was made over, and never leaves it") {
  const auto base = at::arange(12, at::kFloat).reshape({3, 4});
  const auto view = base.slice(0, 1).slice(1, 0, 4, 2);
  const auto [id, bytes, offset, strides] = sos::storage_of(view);
  CHECK(id == sos::storage_of(base).id);
  CHECK(bytes.numel() == 48);
  auto again = sos::tensor_over(bytes, at::kFloat, offset, view.sizes(), strides);
  CHECK(again.equal(view));
  again.fill_(-1);
  CHECK(base[1][0].item<float>() == -1);
  CHECK(code_of([&, bytes = bytes] { sos::tensor_over(bytes, at::kFloat, 5, {2, 2}, {4, 4}); }) ==
        "ERR_DAMAGED_FILE");
  CHECK(code_of([] { sos::storage_of(at::eye(2).to_sparse()); }) == "ERR_LAYOUT");
}
