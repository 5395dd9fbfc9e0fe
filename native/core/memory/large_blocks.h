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

/// Blocks of memory that are kept when they are freed, to be given again. From any thread.
///
/// The C library hands large blocks back to the system, which zeroes their pages when they are touched again:
/// for activations of gigabytes that is a large part of a training step. What lives and what is kept together
/// are never much more than what lived at once within the last half minute of work; beyond that, the blocks
/// that were free for longest go back.
class LargeBlocks {
  using Clock = std::chrono::steady_clock;

 public:
  /// @param peak_lasts how long what lived at once is remembered at least; at most twice as long
  explicit LargeBlocks(Clock::duration peak_lasts = std::chrono::seconds(20)) : peak_lasts_(peak_lasts) {}

  /// @returns a block of at least so many bytes, of 64 at least, aligned to 64; null where there is no memory
  void* take(size_t bytes);
  void give_back(void* block);

  /// Bytes that are given.
  size_t live() const { return live_.load(std::memory_order_relaxed); }

  /// Bytes that are free and kept.
  size_t kept() const { return kept_.load(std::memory_order_relaxed); }

  /// Gives all that is kept back to the system.
  void release();

 private:
  struct Block {
    void* start;
    size_t size;
  };
  struct Kept {
    Block block;
    uint64_t number;  // in the order in which blocks were freed
  };

  static constexpr size_t kClasses = size_t{8} * 65;  // by size, eight to a power of two

  void* take_kept(size_t index);
  void note_peak(size_t live);
  size_t most() const;
  /// Takes the oldest of what is kept until it is, with `live`, at most `most`.
  std::vector<Block> take_surplus(size_t live, size_t most);
  static void free(const std::vector<Block>& blocks);

  const Clock::duration peak_lasts_;
  std::mutex mutex_;
  std::array<std::deque<Kept>, kClasses> kept_blocks_;  // of each class the newest last
  std::unordered_map<void*, size_t> sizes_;
  uint64_t freed_ = 0;
  std::atomic<size_t> live_{0};
  std::atomic<size_t> kept_{0};
  size_t peak_ = 0;  // of what lived, since `peak_since_` and in the time as long before it
  size_t peak_before_ = 0;
  Clock::time_point peak_since_ = Clock::now();
};

}  // namespace sos
