#include "core/memory/large_blocks.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace sos {
namespace {

constexpr size_t kAlignment = 64;  // as in libtorch's own allocator, for the widest vector instructions
constexpr size_t kHugePage = 2 * 1024 * 1024;

/// The distance between classes: an eighth of the largest power of two that is not above `bytes`.
size_t step_at(size_t bytes) {
  return std::bit_floor(bytes) / 8;
}

size_t size_for(size_t bytes) {
  const size_t step = step_at(bytes);
  return (bytes + step - 1) / step * step;
}

/// The class of the largest size that fits into a block of `size` bytes.
size_t class_of(size_t size) {
  return size_t{8} * std::bit_width(size) + (size - std::bit_floor(size)) / step_at(size);
}

/// Maps whole huge pages that nothing else uses. The system gives them zeroed, and takes them back at once,
/// whatever lies beside them.
void* map_pages(size_t size) {
  void* mapped = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* const start = static_cast<char*>(mapped);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(mapped) % kHugePage) % kHugePage;
  if (before > 0) munmap(start, before);
  munmap(start + before + size, kHugePage - before);
#ifdef MADV_HUGEPAGE
  // This is only a request: if the system does not follow it, its small pages serve.
  madvise(start + before, size, MADV_HUGEPAGE);
#endif
  return start + before;
}

void* allocate(size_t size) {
  if (size >= kHugePage) return map_pages(size);
  void* block = nullptr;
  return posix_memalign(&block, kAlignment, size) == 0 ? block : nullptr;
}

}  // namespace

void* LargeBlocks::take(size_t bytes) {
  if (bytes > PTRDIFF_MAX / 2) return nullptr;
  const size_t size = size_for(std::max(bytes, kAlignment));
  std::vector<Block> surplus;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // A block of the next class is at most an eighth larger.
    for (const size_t index : {class_of(size), class_of(size) + 1}) {
      if (void* block = take_kept(index)) return block;
    }
    note_peak(live_ + size);
    surplus = take_surplus(live_ + size, most());
  }
  free(surplus);
  void* block = allocate(size);
  if (block == nullptr) {
    release();
    block = allocate(size);
    if (block == nullptr) return nullptr;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  sizes_.emplace(block, size);
  live_ += size;
  return block;
}

void LargeBlocks::give_back(void* block) {
  std::vector<Block> surplus;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    note_peak(live_);
    const size_t size = sizes_.at(block);
    live_ -= size;
    kept_ += size;
    kept_blocks_[class_of(size)].push_back({{block, size}, ++freed_});
    surplus = take_surplus(live_, most());
  }
  free(surplus);
}

void LargeBlocks::release() {
  std::vector<Block> all;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    all = take_surplus(0, 0);
  }
  free(all);
}

void* LargeBlocks::take_kept(size_t index) {
  auto& kept = kept_blocks_[index];
  if (kept.empty()) return nullptr;
  const Block block = kept.back().block;
  kept.pop_back();
  kept_ -= block.size;
  live_ += block.size;
  return block.start;
}

void LargeBlocks::note_peak(size_t live) {
  const auto now = Clock::now();
  if (now - peak_since_ > peak_lasts_) {
    peak_before_ = std::exchange(peak_, 0);
    peak_since_ = now;
  }
  peak_ = std::max(peak_, live);
}

/// An eighth and 64 MiB more than the peak, since sizes differ, and the kept blocks do not always have the
/// sizes that are asked for.
size_t LargeBlocks::most() const {
  const size_t peak = std::max(peak_, peak_before_);
  return peak + peak / 8 + 64 * 1024 * 1024;
}

std::vector<LargeBlocks::Block> LargeBlocks::take_surplus(size_t live, size_t most) {
  std::vector<Block> surplus;
  while (kept_ > 0 && live + kept_ > most) {
    std::deque<Kept>* oldest = nullptr;
    for (auto& kept : kept_blocks_) {
      if (kept.empty()) continue;
      if (oldest == nullptr || kept.front().number < oldest->front().number) oldest = &kept;
    }
    const Block block = oldest->front().block;
    oldest->pop_front();
    kept_ -= block.size;
    sizes_.erase(block.start);
    surplus.push_back(block);
  }
  return surplus;
}

void LargeBlocks::free(const std::vector<Block>& blocks) {
  for (const auto& [start, size] : blocks) {
    if (size >= kHugePage) {
      munmap(start, size);
    } else {
      std::free(start);
    }
  }
}

}  // namespace sos
