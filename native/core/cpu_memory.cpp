#include "core/cpu_memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#ifdef __APPLE__
#include <malloc/malloc.h>
#else
#include <malloc.h>
#endif

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <mutex>

namespace sos {
namespace {

constexpr size_t kAlignment = 64;  // as libtorch's own, for the widest vector instructions
constexpr size_t kLargestBlock = 64 * 1024;
constexpr size_t kChunk = 256 * 1024;  // memory goes to the lists chunk by chunk
constexpr size_t kRegion = 256 * 1024 * 1024;
constexpr size_t kClasses = 2 * std::bit_width(kLargestBlock / kAlignment);

struct FreeBlock {
  FreeBlock* next;
};

struct SizeClass {
  std::mutex mutex;
  FreeBlock* free = nullptr;
  char* fresh = nullptr;  // what is left of the newest chunk
  char* fresh_end = nullptr;
};

/// Sizes in steps of half a power of two: 64, 96 (taken as 128), 128, 192, 256, 384, …
size_t class_of(size_t bytes) {
  const size_t units = (bytes + kAlignment - 1) / kAlignment;
  const size_t log = std::bit_width(units - 1);  // the power of two not below `units`
  const bool half = log >= 2 && units <= (size_t{3} << (log - 2));
  return 2 * log - (half ? 1 : 0);
}

size_t size_of_class(size_t index) {
  const size_t log = (index + 1) / 2;
  return (index % 2 == 1 ? size_t{3} << (log - 2) : size_t{1} << log) * kAlignment;
}

/// What libtorch's allocator really gave for a block.
size_t size_of_large(void* block) {
#ifdef __APPLE__
  return malloc_size(block);
#else
  return malloc_usable_size(block);
#endif
}

class CountingPool final : public c10::Allocator {
 public:
  CountingPool(c10::Allocator* large, char* region) : large_(large), region_(region) {}

  c10::DataPtr allocate(size_t bytes) override {
    void* block = bytes == 0 || bytes > kLargestBlock ? nullptr : take(class_of(bytes));
    if (block == nullptr) block = take_large(bytes);
    return {block, block, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* target, const void* source, size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }

  int64_t live() const { return live_.load(std::memory_order_relaxed); }

  static CountingPool* installed;

 private:
  void* take(size_t index) {
    auto& list = classes_[index];
    live_.fetch_add(static_cast<int64_t>(size_of_class(index)), std::memory_order_relaxed);
    const std::lock_guard<std::mutex> lock(list.mutex);
    if (FreeBlock* block = list.free) {
      list.free = block->next;
      return block;
    }
    const size_t size = size_of_class(index);
    if (list.fresh + size > list.fresh_end || list.fresh == nullptr) {
      const size_t chunk = next_chunk_.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= class_of_chunk_.size()) {
        live_.fetch_sub(static_cast<int64_t>(size), std::memory_order_relaxed);
        return nullptr;
      }
      class_of_chunk_[chunk] = static_cast<uint8_t>(index);
      list.fresh = region_ + chunk * kChunk;
      list.fresh_end = list.fresh + kChunk;
    }
    char* block = list.fresh;
    list.fresh += size;
    return block;
  }

  void* take_large(size_t bytes) {
    void* block = large_->raw_allocate(bytes);
    if (block != nullptr) {
      live_.fetch_add(static_cast<int64_t>(size_of_large(block)), std::memory_order_relaxed);
    }
    return block;
  }

  static void give_back(void* pointer) {
    if (pointer == nullptr) return;
    auto& self = *installed;
    const auto offset = reinterpret_cast<uintptr_t>(pointer) - reinterpret_cast<uintptr_t>(self.region_);
    if (offset >= kRegion) {
      self.live_.fetch_sub(static_cast<int64_t>(size_of_large(pointer)), std::memory_order_relaxed);
      self.large_->raw_deleter()(pointer);
      return;
    }
    const size_t index = self.class_of_chunk_[offset / kChunk];
    self.live_.fetch_sub(static_cast<int64_t>(size_of_class(index)), std::memory_order_relaxed);
    auto& list = self.classes_[index];
    auto* block = static_cast<FreeBlock*>(pointer);
    const std::lock_guard<std::mutex> lock(list.mutex);
    block->next = list.free;
    list.free = block;
  }

  c10::Allocator* const large_;
  char* const region_;
  std::array<SizeClass, kClasses> classes_;
  std::array<uint8_t, kRegion / kChunk> class_of_chunk_{};
  std::atomic<size_t> next_chunk_{0};
  std::atomic<int64_t> live_{0};
};

CountingPool* CountingPool::installed = nullptr;

}  // namespace

void install_cpu_pool() {
  static std::once_flag once;
  std::call_once(once, [] {
#ifdef __GLIBC__
    // Where glibc's own adaptation ends: a batch of frees is not handed to the kernel and faulted in again.
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
    // Without fast bins, which a batch of frees has it merge over and over.
    mallopt(M_MXFAST, 0);
#endif
    void* region =
        mmap(nullptr, kRegion, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) return;
    // Never freed: tensors may outlive all that could free it.
    CountingPool::installed = new CountingPool(c10::GetCPUAllocator(), static_cast<char*>(region));
    c10::SetCPUAllocator(CountingPool::installed, UINT8_MAX);
  });
}

int64_t live_cpu_bytes() {
  return CountingPool::installed == nullptr ? 0 : CountingPool::installed->live();
}

}  // namespace sos
