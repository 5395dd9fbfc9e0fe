#pragma once
#include <cstdint>

namespace sos {

/// Replaces libtorch's allocator of CPU memory by our own blocks (SmallBlocks, LargeBlocks) for the whole
/// process, and counts them.
///
/// A language with a garbage collector frees its tensors by the thousand at once. The C library takes
/// hundreds of nanoseconds to merge and split blocks that were aligned by hand. It gives large blocks back to
/// the system and asks for them again. Here a block is taken from a list and put back.
void install_cpu_memory();

/// The bytes of all blocks that are in use, including those that only a graph of gradients holds. It is 0 if
/// our allocator is not installed.
int64_t live_cpu_bytes();

/// The bytes that are free and kept for later blocks. The second function gives them back to the system.
int64_t kept_cpu_bytes();
void release_kept_cpu_memory();

}  // namespace sos
