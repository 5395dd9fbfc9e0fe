#pragma once
#include <cstdint>

namespace sos {

/// Puts a pool for small blocks before libtorch's allocator of CPU memory, and counts what it gives, for the
/// whole process.
///
/// A language with a garbage collector frees its tensors by the thousand at once. The C library takes
/// hundreds of nanoseconds to merge and split what was aligned by hand; the pool takes a block from a list
/// and puts it back. Blocks of more than 64 KiB, and all blocks once 256 MiB are pooled, come from libtorch
/// as before. What is pooled is used again, not given back to the system.
void install_cpu_pool();

/// The bytes of all blocks that live, with those that only a graph of gradients holds. 0 without the pool.
int64_t live_cpu_bytes();

}  // namespace sos
