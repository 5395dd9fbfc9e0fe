#include "core/memory/small_blocks.h"

#include <sys/mman.h>

#include <utility>

namespace sos {

std::unique_ptr<SmallBlocks> SmallBlocks::create() {
  void* region =
      mmap(nullptr, kRegion, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) return nullptr;
  return std::unique_ptr<SmallBlocks>(new SmallBlocks(static_cast<char*>(region)));
}

void* SmallBlocks::take(size_t bytes) {
  const size_t index = class_of(bytes);
  const size_t size = size_of_class(index);
  auto& list = classes_[index];
  const std::lock_guard<std::mutex> lock(list.mutex);
  char* block = reinterpret_cast<char*>(list.free);
  if (block != nullptr) {
    list.free = list.free->next;
  } else {
    if (list.fresh == nullptr || list.fresh + size > list.fresh_end) {
      const size_t chunk = next_chunk_.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= class_of_chunk_.size()) return nullptr;
      class_of_chunk_[chunk] = static_cast<uint8_t>(index);
      list.fresh = region_ + chunk * kChunk;
      list.fresh_end = list.fresh + kChunk;
    }
    block = std::exchange(list.fresh, list.fresh + size);
  }
  live_.fetch_add(size, std::memory_order_relaxed);
  return block;
}

void SmallBlocks::give_back(void* block) {
  const size_t index = class_of_chunk_[place_of(block) / kChunk];
  live_.fetch_sub(size_of_class(index), std::memory_order_relaxed);
  auto& list = classes_[index];
  auto* freed = static_cast<FreeBlock*>(block);
  const std::lock_guard<std::mutex> lock(list.mutex);
  freed->next = list.free;
  list.free = freed;
}

bool SmallBlocks::owns(const void* block) const {
  return place_of(block) < kRegion;
}

/// The position of a block in the region. It is kRegion or more for a block that lies elsewhere.
size_t SmallBlocks::place_of(const void* block) const {
  return reinterpret_cast<uintptr_t>(block) - reinterpret_cast<uintptr_t>(region_);
}

size_t SmallBlocks::class_of(size_t bytes) {
  const size_t units = (bytes + kAlignment - 1) / kAlignment;
  // The exponent of the smallest power of two that is not below `units`.
  const size_t log = std::bit_width(units - 1);
  const bool half = log >= 2 && units <= (size_t{3} << (log - 2));
  return 2 * log - (half ? 1 : 0);
}

size_t SmallBlocks::size_of_class(size_t index) {
  const size_t log = (index + 1) / 2;
  return (index % 2 == 1 ? size_t{3} << (log - 2) : size_t{1} << log) * kAlignment;
}

}  // namespace sos
