#pragma once

namespace sos {

/// The number of threads that one operator may use. libtorch's OpenMP keeps this number for each thread. It
/// is set at once for the calling thread, and the lanes of all environments take it over before their next
/// task.
void set_threads(int threads);
int threads();
void adopt_threads();

/// From now on, an operator that this thread runs uses no other thread, except within an AllThreads.
void run_alone();

/// While it lives, the operators that a thread in run_alone() calls may use as many threads as those of other
/// threads. The threads are freed with it.
class AllThreads {
 public:
  AllThreads();
  ~AllThreads();
  AllThreads(const AllThreads&) = delete;
  AllThreads& operator=(const AllThreads&) = delete;
};

/// The number of threads for work that runs side by side, such as forks of TorchScript. It can be set once,
/// before any of them starts.
void set_interop_threads(int threads);
int interop_threads();

}  // namespace sos
