#include "core/device/threads.h"

#include <ATen/Parallel.h>

#include <atomic>

// libtorch brings the OpenMP runtime and MKL, not their headers; a build of it may be without either.
extern "C" {
__attribute__((weak)) void omp_set_num_threads(int threads);
__attribute__((weak)) int omp_pause_resource_all(int kind);
__attribute__((weak)) int MKL_Set_Num_Threads_Local(int threads);
}

namespace sos {
namespace {

std::atomic<int> wanted{0};  // 0: never set, libtorch's own choice
thread_local int adopted = 0;
thread_local bool alone = false;

/// libtorch's own setter is not for one thread alone: it sets MKL's number for all of them.
void set_threads_here(int threads) {
  if (omp_set_num_threads != nullptr) omp_set_num_threads(threads);
  if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(threads);
}

/// libtorch's choice, read once where no number was set: it depends on the thread that asks.
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
  at::get_num_threads();  // sets this thread's number, the first time that it is asked for
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
