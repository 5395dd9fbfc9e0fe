#include "core/small_allocator.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#ifdef __GLIBC__
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

class SmallAllocator final : public c10::Allocator {
 public:
  SmallAllocator(c10::Allocator* large, char* region) : large_(large), region_(region) {}

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0 || bytes > kLargestBlock) return large_->allocate(bytes);
    void* block = take(class_of(bytes));
    if (block == nullptr) return large_->allocate(bytes);
    return {block, block, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &delete_either; }

  void copy_data(void* target, const void* source, size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }

  static SmallAllocator* installed;

 private:
  void* take(size_t index) {
    auto& list = classes_[index];
    const std::lock_guard<std::mutex> lock(list.mutex);
    if (FreeBlock* block = list.free) {
      list.free = block->next;
      return block;
    }
    const size_t size = size_of_class(index);
    if (list.fresh + size > list.fresh_end || list.fresh == nullptr) {
      const size_t chunk = next_chunk_.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= class_of_chunk_.size()) return nullptr;
      class_of_chunk_[chunk] = static_cast<uint8_t>(index);
      list.fresh = region_ + chunk * kChunk;
      list.fresh_end = list.fresh + kChunk;
    }
    char* block = list.fresh;
    list.fresh += size;
    return block;
  }

  static void give_back(void* pointer) {
    auto& self = *installed;
    const size_t offset = static_cast<size_t>(static_cast<char*>(pointer) - self.region_);
    auto& list = self.classes_[self.class_of_chunk_[offset / kChunk]];
    auto* block = static_cast<FreeBlock*>(pointer);
    const std::lock_guard<std::mutex> lock(list.mutex);
    block->next = list.free;
    list.free = block;
  }

  static void delete_either(void* pointer) {
    const auto offset =
        reinterpret_cast<uintptr_t>(pointer) - reinterpret_cast<uintptr_t>(installed->region_);
    if (offset < kRegion)
      give_back(pointer);
    else
      installed->large_->raw_deleter()(pointer);
  }

  c10::Allocator* const large_;
  char* const region_;
  std::array<SizeClass, kClasses> classes_;
  std::array<uint8_t, kRegion / kChunk> class_of_chunk_{};
  std::atomic<size_t> next_chunk_{0};
};

SmallAllocator* SmallAllocator::installed = nullptr;

}  // namespace

void install_small_allocator() {
  static std::once_flag once;
  std::call_once(once, [] {
#ifdef __GLIBC__
    // Where glibc's own adaptation ends: a batch of frees is not handed to the kernel and faulted in again.
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
#endif
    void* region =
        mmap(nullptr, kRegion, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) return;
    // Never freed: tensors may outlive all that could free it.
    SmallAllocator::installed = new SmallAllocator(c10::GetCPUAllocator(), static_cast<char*>(region));
    c10::SetCPUAllocator(SmallAllocator::installed, UINT8_MAX);
  });
}

}  // namespace sos
