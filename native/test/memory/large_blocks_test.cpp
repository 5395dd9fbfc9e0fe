#include "core/memory/large_blocks.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace {

constexpr size_t kMiB = 1024 * 1024;

/// The bytes that may be kept beside those in use.
size_t most(size_t peak) {
  return peak + peak / 8 + 64 * kMiB;
}

}  // namespace

TEST_CASE("large blocks are given again, for requests of about their size") {
  sos::LargeBlocks blocks;
  void* first = blocks.take(10 * kMiB);
  CHECK(blocks.live() >= 10 * kMiB);
  CHECK(blocks.kept() == 0);
  const size_t size = blocks.live();
  blocks.give_back(first);
  CHECK(blocks.live() == 0);
  CHECK(blocks.kept() == size);
  void* smaller = blocks.take(5 * kMiB);
  CHECK(smaller != first);
  void* same = blocks.take(10 * kMiB - 1);
  CHECK(same == first);
  CHECK(blocks.kept() == 0);
  blocks.give_back(same);
  blocks.give_back(smaller);
  blocks.release();
  CHECK(blocks.kept() == 0);
}

TEST_CASE("large blocks may be small, for when the pool of small ones is used up") {
  sos::LargeBlocks blocks;
  for (const size_t bytes : {0, 1, 7, 63, 64, 65, 100, 4096}) {
    void* block = blocks.take(bytes);
    REQUIRE(block != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(block) % 64 == 0);
    CHECK(blocks.live() >= bytes);
    std::memset(block, 1, bytes);
    blocks.give_back(block);
    CHECK(blocks.live() == 0);
  }
  blocks.release();
}

TEST_CASE("large blocks never overlap, whatever is taken and given back") {
  sos::LargeBlocks blocks;
  std::mt19937 random(1);
  struct Taken {
    uint8_t* start;
    size_t bytes;
    uint8_t mark;
  };
  std::vector<Taken> taken;
  size_t peak = 0;
  for (int i = 0; i < 3000; ++i) {
    if (taken.empty() || random() % 2 == 0) {
      // From 64 KiB to 16 MiB, equally often in each octave.
      const size_t bytes = (size_t{65536} << random() % 8) + random() % 65536 + 1;
      auto* start = static_cast<uint8_t*>(blocks.take(bytes));
      REQUIRE(start != nullptr);
      CHECK(reinterpret_cast<uintptr_t>(start) % 64 == 0);
      const auto mark = static_cast<uint8_t>(random());
      for (size_t place = 0; place < bytes; place += 4096) start[place] = mark;
      start[bytes - 1] = mark;
      taken.push_back({start, bytes, mark});
    } else {
      std::swap(taken[random() % taken.size()], taken.back());
      const auto [start, bytes, mark] = taken.back();
      bool whole = start[bytes - 1] == mark;
      for (size_t place = 0; place < bytes; place += 4096) whole = whole && start[place] == mark;
      CHECK(whole);
      blocks.give_back(start);
      taken.pop_back();
    }
    peak = std::max(peak, blocks.live());
    CHECK(blocks.live() + blocks.kept() <= most(peak));
  }
  for (const auto& block : taken) blocks.give_back(block.start);
  CHECK(blocks.live() == 0);
  blocks.release();
}

TEST_CASE("large blocks go back to the system when less was in use for long") {
  sos::LargeBlocks blocks(std::chrono::milliseconds(20));
  std::vector<void*> many;
  for (int i = 0; i < 100; ++i) many.push_back(blocks.take(8 * kMiB));
  for (void* block : many) blocks.give_back(block);
  CHECK(blocks.kept() == 800 * kMiB);
  for (int i = 0; i < 4; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
    blocks.give_back(blocks.take(8 * kMiB));
  }
  CHECK(blocks.kept() <= most(8 * kMiB));
  CHECK(blocks.kept() > 0);
  blocks.release();
}

TEST_CASE("kept large blocks go back if the system has no memory for another one") {
  sos::LargeBlocks blocks;
  blocks.give_back(blocks.take(kMiB));
  CHECK(blocks.take(size_t{1} << 47) == nullptr);  // more bytes than there are addresses
  CHECK(blocks.kept() == 0);
  CHECK(blocks.take(SIZE_MAX) == nullptr);
  CHECK(blocks.live() == 0);
}

TEST_CASE("threads give each other's large blocks back") {
  sos::LargeBlocks blocks;
  std::vector<void*> made(400);
  for (size_t i = 0; i < made.size(); ++i) made[i] = blocks.take((i % 40 + 2) * 65536);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < made.size(); i += 4) {
        blocks.give_back(made[i]);
        made[i] = blocks.take((i % 30 + 2) * 65536);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (void* block : made) blocks.give_back(block);
  CHECK(blocks.live() == 0);
  blocks.release();
}
