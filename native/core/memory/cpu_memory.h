#pragma once
#include <cstdint>

namespace sos {

/// Puts our own blocks (SmallBlocks, LargeBlocks) in the place of libtorch's allocator of CPU memory, and
/// counts them, for the whole process.
///
/// A language with a garbage collector frees its tensors by the thousand at once. The C library takes
/// hundreds of nanoseconds to merge and split what was aligned by hand, and gives large blocks back to the
/// system to ask for them again; here a block is taken from a list and put back.
void install_cpu_memory();

/// The bytes of all blocks that live, with those that only a graph of gradients holds. 0 where it is not
/// installed.
int64_t live_cpu_bytes();

/// The bytes that are free and kept for blocks to come; gives them back to the system.
int64_t kept_cpu_bytes();
void release_kept_cpu_memory();

}  // namespace sos
