#include "core/threads.h"

#include <ATen/Parallel.h>

#include <atomic>

namespace sos {
namespace {

std::atomic<int> wanted{0};  // 0: never set, libtorch's own choice
thread_local int adopted = 0;

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
}

int threads() {
  adopt_threads();
  return at::get_num_threads();
}

void set_interop_threads(int threads) {
  at::set_num_interop_threads(threads);
}

int interop_threads() {
  return at::get_num_interop_threads();
}

}  // namespace sos
