#pragma once

namespace sos {

/// Threads that one operator may use. libtorch's OpenMP keeps the number for each thread: it is set at once
/// for the calling one, and the lanes of all environments take it over before their next task.
void set_threads(int threads);
int threads();
void adopt_threads();

/// Threads for what runs beside one another, such as forks of TorchScript. Can be set once, before any
/// starts.
void set_interop_threads(int threads);
int interop_threads();

}  // namespace sos
