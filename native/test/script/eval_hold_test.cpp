#include "core/script/eval_hold.h"

#include <ATen/Functions.h>
#include <doctest/doctest.h>

#include <memory>

#include "core/base/error.h"

namespace {

using torch::jit::Module;

/// A root with a part; both are in train mode.
Module nested() {
  auto unit = std::make_shared<torch::jit::CompilationUnit>();
  Module part("__torch__.Part", unit);
  part.register_attribute("training", c10::BoolType::get(), true);
  part.register_parameter("weight", at::ones({2}), false);
  Module root("__torch__.Root", unit);
  root.register_attribute("training", c10::BoolType::get(), true);
  root.register_module("part", part);
  root.register_module("again", part);  // the same part under two names
  return root;
}

Module part_of(const Module& root) {
  return root.attr("part").toModule();
}

std::shared_ptr<void> allow() {
  return nullptr;
}

}  // namespace

TEST_CASE("holds are counted for each part, which gets its own mode back") {
  const auto root = nested();
  auto part = part_of(root);
  part.train(false);
  CHECK(sos::parts_of(root).size() == 2);
  auto first = std::make_unique<sos::EvalHold>(root, false, allow);
  auto second = std::make_unique<sos::EvalHold>(part, false, allow);
  CHECK_FALSE(root.is_training());
  CHECK(sos::is_held(root));
  CHECK(sos::is_held_from_training(root));
  CHECK_FALSE(sos::is_held_from_training(part));
  CHECK(sos::modes_of(root) == std::vector<bool>{true, false});
  CHECK(sos::stays_in(part, false));
  CHECK_FALSE(sos::stays_in(root, false));
  sos::set_modes(part, {true});
  CHECK_FALSE(part.is_training());
  first.reset();
  CHECK(root.is_training());
  CHECK_FALSE(part.is_training());
  CHECK(sos::is_held_from_training(root));
  second.reset();
  CHECK(part.is_training());
  CHECK_FALSE(sos::is_held(root));
  CHECK_FALSE(sos::is_held_from_training(root));
}

TEST_CASE("a refusal before the switch leaves all modes as they were") {
  const auto root = nested();
  const auto refuse = []() -> std::shared_ptr<void> { throw sos::Error("ERR_BUSY", "at work"); };
  CHECK_THROWS_AS(sos::EvalHold(root, false, refuse), sos::Error);
  CHECK(root.is_training());
  CHECK_FALSE(sos::is_held(root));
  const sos::EvalHold first(root, false, allow);
  const sos::EvalHold second(root, false, refuse);  // nothing has to be switched any more
  CHECK_THROWS_AS(second.expect_no_reader(), sos::Error);
  const sos::EvalHold writer(root, true, refuse);
  CHECK_THROWS_AS(writer.expect_no_reader(), sos::Error);
}

TEST_CASE("tasks that end with a write do not exclude each other") {
  const auto root = nested();
  const sos::EvalHold first(root, true, allow);
  const sos::EvalHold second(root, true, allow);
  first.expect_no_reader();
  const sos::EvalHold reader(part_of(root), false, allow);
  CHECK_THROWS_AS(first.expect_no_reader(), sos::Error);
}

TEST_CASE("weights that were written to, cast or exchanged are noticed") {
  const auto root = nested();
  const auto weight = part_of(root).attr("weight").toTensor();
  sos::EvalHold hold(root, false, allow);
  hold.expect_weights();
  hold.expect_no_reader();
  const std::vector<std::function<void()>> changes = {
      [&] { weight.add_(1); },
      [&] { weight.view({2, 1}).zero_(); },
      [&] { weight.set_data(at::zeros({2})); },
      [&] { weight.set_data(weight.to(at::kDouble)); },
  };
  for (const auto& change : changes) {
    change();
    CHECK_THROWS_WITH_AS(hold.expect_weights(), doctest::Contains("'part.weight' was written to"),
                         sos::Error);
    hold.note_weights();
    hold.expect_weights();
  }
}
