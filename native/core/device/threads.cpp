#include "core/device/threads.h"

#include <ATen/Parallel.h>

#include <atomic>

// libtorch brings the OpenMP runtime and MKL, but not their headers. A build of libtorch may lack either of
// them.
extern "C" {
__attribute__((weak)) void omp_set_num_threads(int threads);
__attribute__((weak)) int omp_pause_resource_all(int kind);
__attribute__((weak)) int MKL_Set_Num_Threads_Local(int threads);
}

namespace sos {
namespace {

std::atomic<int> wanted{0};  // 0: never set, so libtorch chooses
thread_local int adopted = 0;
thread_local bool alone = false;

/// libtorch's own setter does not act on one thread alone: it sets MKL's number for all threads.
void set_threads_here(int threads) {
  if (omp_set_num_threads != nullptr) omp_set_num_threads(threads);
  if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(threads);
}

/// The number that libtorch chooses, read once if none was set. It depends on the thread that asks.
int default_threads() {
  static const int threads = at::get_num_threads();
  return threads;
}

}  // namespace

void set_threads(int threads) {
  wanted = threads;
  adopt_threads();
}

void adopt_threads() {
  const int threads = wanted;
  if (threads == adopted) return;
  at::set_num_threads(threads);
  adopted = threads;
  if (alone) set_threads_here(1);
}

int threads() {
  return wanted != 0 ? wanted.load() : default_threads();
}

void run_alone() {
  if (alone) return;
  default_threads();
  at::get_num_threads();  // the first call sets this thread's number
  alone = true;
  set_threads_here(1);
}

AllThreads::AllThreads() {
  set_threads_here(threads());
}

AllThreads::~AllThreads() {
  set_threads_here(1);
  constexpr int kSoft = 1;  // omp_pause_soft
  if (omp_pause_resource_all != nullptr) omp_pause_resource_all(kSoft);
}

void set_interop_threads(int threads) {
  at::set_num_interop_threads(threads);
}

int interop_threads() {
  return at::get_num_interop_threads();
}

}  // namespace sos
