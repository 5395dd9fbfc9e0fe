#pragma once
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

namespace sos {

/// A pool of blocks of up to 64 KiB, 256 MiB in all, in lists by their sizes: 64, 128, 192, 256, 384, …
/// bytes, in steps of half a power of two. All functions may be called from any thread. Blocks are used again
/// and never given back to the system.
class SmallBlocks {
 public:
  static constexpr size_t kLargest = 64 * 1024;

  /// @returns null if the system does not let 256 MiB be reserved
  static std::unique_ptr<SmallBlocks> create();

  /// @returns a block aligned to 64 bytes; null if the pool is used up
  void* take(size_t bytes);
  void give_back(void* block);
  bool owns(const void* block) const;

  /// Bytes in use.
  size_t live() const { return live_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kAlignment =
      64;  // as in libtorch's own allocator, for the widest vector instructions
  static constexpr size_t kChunk = 256 * 1024;  // the lists get their memory chunk by chunk
  static constexpr size_t kRegion = 256 * 1024 * 1024;
  static constexpr size_t kClasses = 2 * std::bit_width(kLargest / kAlignment);

  struct FreeBlock {
    FreeBlock* next;
  };

  struct SizeClass {
    std::mutex mutex;
    FreeBlock* free = nullptr;
    char* fresh = nullptr;  // the rest of the newest chunk
    char* fresh_end = nullptr;
  };

  explicit SmallBlocks(char* region) : region_(region) {}

  static size_t class_of(size_t bytes);
  static size_t size_of_class(size_t index);
  size_t place_of(const void* block) const;

  char* const region_;
  std::array<SizeClass, kClasses> classes_;
  std::array<uint8_t, kRegion / kChunk> class_of_chunk_{};
  std::atomic<size_t> next_chunk_{0};
  std::atomic<size_t> live_{0};
};

}  // namespace sos
