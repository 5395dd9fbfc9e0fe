#include "core/memory/kept_shapes.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

#include "core/base/error.h"
#include "core/memory/storage.h"
#include "core/operators/operator_call.h"

namespace {

void call(const char* name, std::vector<c10::IValue> positional,
          std::vector<std::pair<std::string, c10::IValue>> keyword = {}) {
  sos::Arguments arguments;
  arguments.positional.assign(positional.begin(), positional.end());
  arguments.keyword.assign(keyword.begin(), keyword.end());
  sos::OperatorPacket::find(name).call(arguments);
}

}  // namespace

TEST_CASE("a tensor keeps its shape if its memory cannot grow") {
  const auto tensor = at::arange(4, at::kFloat);
  const auto memory = sos::keep_in_place(tensor.storage());
  const auto large = at::ones({1000});
  CHECK_THROWS(call("aten::resize_", {tensor, c10::List<int64_t>({1000})}));
  CHECK_THROWS(call("aten::add", {large, 1}, {{"out", tensor}}));
  CHECK_THROWS(call("aten::set_", {tensor, tensor, 0, c10::List<int64_t>({1000}), c10::List<int64_t>({1})}));
  CHECK_THROWS(call("aten::set_", {tensor, tensor, 500, c10::List<int64_t>({4}), c10::List<int64_t>({1})}));
  CHECK(tensor.sizes().vec() == std::vector<int64_t>{4});
  CHECK(tensor.storage_offset() == 0);
  CHECK(at::equal(tensor, at::arange(4, at::kFloat)));
  call("aten::resize_", {tensor, c10::List<int64_t>({2})});
  CHECK(tensor.numel() == 2);
}

TEST_CASE("memory that is kept in place outlives its storage") {
  auto tensor = at::full({1000}, 7, at::kFloat);
  const auto* data = tensor.const_data_ptr<float>();
  const auto memory = sos::keep_in_place(tensor.storage());
  CHECK(sos::keep_in_place(tensor.storage()) == memory);
  CHECK_THROWS(tensor._lazy_clone());
  tensor.add_(1);
  tensor.reset();
  for (int i = 0; i < 8; ++i) at::full({1000}, 9, at::kFloat);
  CHECK(data[0] == 8);
  CHECK(data[999] == 8);
}

TEST_CASE("a copy on write is made before memory is kept in place") {
  const auto tensor = at::zeros({1000}, at::kFloat);
  const auto copy = tensor._lazy_clone();
  const auto memory = sos::keep_in_place(tensor.storage());
  const auto* data = tensor.const_data_ptr<float>();
  tensor.add_(1);
  CHECK(tensor.const_data_ptr<float>() == data);
  CHECK(copy.sum().item<float>() == 0);
}
