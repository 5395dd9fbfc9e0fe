#pragma once

namespace sos {

/// Threads that one operator may use. libtorch's OpenMP keeps the number for each thread: it is set at once
/// for the calling one, and the lanes of all environments take it over before their next task.
void set_threads(int threads);
int threads();
void adopt_threads();

/// From now on an operator that this thread runs uses no other thread, outside of an AllThreads.
void run_alone();

/// Lets the operators that a thread which runs alone calls use as many threads as those of the others, while
/// it lives. They are freed with it.
class AllThreads {
 public:
  AllThreads();
  ~AllThreads();
  AllThreads(const AllThreads&) = delete;
  AllThreads& operator=(const AllThreads&) = delete;
};

/// Threads for what runs beside one another, such as forks of TorchScript. Can be set once, before any
/// starts.
void set_interop_threads(int threads);
int interop_threads();

}  // namespace sos
