#include "core/distributed/process_group.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <doctest/doctest.h>

#include "core/autograd/gradient.h"
#include "core/distributed/nccl.h"
#include "test/distributed/ranks.h"

using sos::test::code_of, sos::test::Group, sos::test::run_ranks;

TEST_CASE("collectives over threads of a process") {
  for (const int size : {1, 2, 3}) {
    run_ranks(size, [size](const Group& group) {
      const double own = group->rank() + 1;
      const double sum = size * (size + 1) / 2.0;
      const auto whole = at::full({3}, own, at::kDouble);
      const auto column = at::full({4, 2}, own, at::kDouble).select(1, 1);
      group->all_reduce({whole, column, at::empty({0})}, sos::Reduction::kSum);
      CHECK(at::equal(whole, at::full({3}, sum, at::kDouble)));
      CHECK(at::equal(column, at::full({4}, sum, at::kDouble)));
      group->all_reduce({whole}, sos::Reduction::kMean);
      CHECK(at::allclose(whole, at::full({3}, sum, at::kDouble)));

      const auto flag = at::full({}, group->rank() == size - 1, at::kBool);
      group->broadcast({flag, whole}, size - 1);
      CHECK(flag.item<bool>());

      const auto all = group->all_gather(at::full({2}, own));
      CHECK(at::equal(all.select(1, 0), at::arange(1, size + 1, at::kFloat)));
      const auto rows = group->gather_rows(at::full({group->rank(), 2}, own));
      CHECK(rows.size(0) == size * (size - 1) / 2);
      if (size == 3) CHECK(at::equal(rows.select(1, 1), at::tensor({2.F, 3.F, 3.F})));
      group->barrier();
    });
  }
}

TEST_CASE("ranks that differ are refused, and the group still works") {
  run_ranks(2, [](const Group& group) {
    const auto x = at::ones({2 + group->rank()});
    CHECK(code_of([&] { group->all_reduce({x}, sos::Reduction::kSum); }) == "ERR_PROCESS_GROUP");
    CHECK(at::equal(x, at::ones_like(x)));
    CHECK(code_of([&] { group->barrier(); }).empty());
    group->give_up();
    CHECK(code_of([&] { group->barrier(); }) == "ERR_PROCESS_GROUP");
  });
}

TEST_CASE("autograd notices a collective in place") {
  run_ranks(1, [](const Group& group) {
    const auto x = at::ones({2}).set_requires_grad(true);
    const auto y = x * 2, z = y.square().sum();
    group->all_reduce({y.detach()}, sos::Reduction::kSum);
    CHECK_THROWS(sos::grad({z}, {x}, {}, {}));  // its gradient needs y, which was written to
  });
}

TEST_CASE("an interrupt ends the wait for a rank") {
  const auto interrupt = std::make_shared<sos::Interrupt>();
  run_ranks(
      2,
      [&interrupt](const Group& group) {
        if (group->rank() == 1) {
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
          interrupt->raise();
          // A collective that has begun runs until its peer comes. Here the peer does come, so that all
          // threads end.
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
          return;
        }
        CHECK(code_of([&] { group->barrier(); }) == "ERR_STOPPED");
        CHECK(code_of([&] { group->barrier(); }) == "ERR_STOPPED");
      },
      interrupt);
}

TEST_CASE("the error about a missing backend says what to install") {
  const auto connect = [](const std::string& backend) {
    return code_of([&] {
      sos::ProcessGroup::connect({"127.0.0.1", 1, false, ""}, {backend, 0, 1, std::chrono::milliseconds(1)},
                                 std::make_shared<sos::Interrupt>());
    });
  };
  CHECK(connect("mpi") == "ERR_INVALID_ARGUMENT");
  if (!sos::has_nccl()) {
    CHECK(connect("nccl") == "ERR_NOT_BUILT");
  } else if (!at::hasCUDA()) {
    CHECK(connect("nccl") == "ERR_DEVICE");
  }
}
