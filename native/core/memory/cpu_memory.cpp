#include "core/memory/cpu_memory.h"

#include <c10/core/CPUAllocator.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <memory>
#include <mutex>

#include "core/memory/large_blocks.h"
#include "core/memory/small_blocks.h"

namespace sos {
namespace {

class CpuMemory final : public c10::Allocator {
 public:
  explicit CpuMemory(std::unique_ptr<SmallBlocks> small) : small_(std::move(small)) {}

  c10::DataPtr allocate(size_t bytes) override {
    void* block = bytes == 0 ? nullptr : take(bytes);
    return {block, block, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* target, const void* source, size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }

  int64_t live() const { return static_cast<int64_t>(small_->live() + large_.live()); }
  int64_t kept() const { return static_cast<int64_t>(large_.kept()); }
  void release() { large_.release(); }

  static CpuMemory* installed;

 private:
  void* take(size_t bytes) {
    void* block = bytes <= SmallBlocks::kLargest ? small_->take(bytes) : nullptr;
    if (block == nullptr) block = large_.take(bytes);
    // These are the words of libtorch's own allocator, by which this error is known.
    TORCH_CHECK(block != nullptr, "DefaultCPUAllocator: can't allocate memory: you tried to allocate ", bytes,
                " bytes.");
    return block;
  }

  static void give_back(void* block) {
    if (block == nullptr) return;
    auto& self = *installed;
    if (self.small_->owns(block)) {
      self.small_->give_back(block);
    } else {
      self.large_.give_back(block);
    }
  }

  const std::unique_ptr<SmallBlocks> small_;
  LargeBlocks large_;
};

CpuMemory* CpuMemory::installed = nullptr;

}  // namespace

void install_cpu_memory() {
  static std::once_flag once;
  std::call_once(once, [] {
#ifdef __GLIBC__
    // glibc's own adaptation of these limits ends at these values. With them from the start, memory that the
    // kernels allocate for themselves is not handed to the system and faulted in again.
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
    // No fast bins: glibc would merge them over and over when a batch of blocks is freed.
    mallopt(M_MXFAST, 0);
#endif
    auto small = SmallBlocks::create();
    if (small == nullptr) return;
    // It is never freed, since tensors may outlive everything that could free it.
    CpuMemory::installed = new CpuMemory(std::move(small));
    c10::SetCPUAllocator(CpuMemory::installed, UINT8_MAX);
  });
}

int64_t live_cpu_bytes() {
  return CpuMemory::installed == nullptr ? 0 : CpuMemory::installed->live();
}

int64_t kept_cpu_bytes() {
  return CpuMemory::installed == nullptr ? 0 : CpuMemory::installed->kept();
}

void release_kept_cpu_memory() {
  if (CpuMemory::installed != nullptr) CpuMemory::installed->release();
}

}  // namespace sos
