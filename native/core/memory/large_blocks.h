#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace sos {

/// Blocks of memory that are kept when they are freed, to be given again. All functions may be called from
/// any thread.
///
/// The C library hands large blocks back to the system, which zeroes their pages when they are touched again.
/// For activations of gigabytes that is a large part of a training step. The blocks in use and the kept ones
/// together are never much more than what was in use at once within the last half minute of work. Beyond
/// that, the blocks that were free for longest go back to the system.
class LargeBlocks {
  using Clock = std::chrono::steady_clock;

 public:
  /// @param peak_lasts for how long the largest use is remembered at least; at most twice as long
  explicit LargeBlocks(Clock::duration peak_lasts = std::chrono::seconds(20)) : peak_lasts_(peak_lasts) {}

  /// @returns a block of at least so many bytes, and at least 64, aligned to 64; null if there is no memory
  void* take(size_t bytes);
  void give_back(void* block);

  /// Bytes in use.
  size_t live() const { return live_.load(std::memory_order_relaxed); }

  /// Bytes that are free and kept.
  size_t kept() const { return kept_.load(std::memory_order_relaxed); }

  /// Gives all kept blocks back to the system.
  void release();

 private:
  struct Block {
    void* start;
    size_t size;
  };
  struct Kept {
    Block block;
    uint64_t number;  // counts the blocks in the order in which they were freed
  };

  static constexpr size_t kClasses = size_t{8} * 65;  // by size, eight for each power of two

  void* take_kept(size_t index);
  void note_peak(size_t live);
  size_t most() const;
  /// Takes the oldest kept blocks out, until the rest and `live` are at most `most` together.
  std::vector<Block> take_surplus(size_t live, size_t most);
  static void free(const std::vector<Block>& blocks);

  const Clock::duration peak_lasts_;
  std::mutex mutex_;
  std::array<std::deque<Kept>, kClasses> kept_blocks_;  // in each class the newest block comes last
  std::unordered_map<void*, size_t> sizes_;
  uint64_t freed_ = 0;
  std::atomic<size_t> live_{0};
  std::atomic<size_t> kept_{0};
  size_t peak_ = 0;         // the largest use since `peak_since_`
  size_t peak_before_ = 0;  // the largest use in the period before that
  Clock::time_point peak_since_ = Clock::now();
};

}  // namespace sos
