#include "core/distributed/gloo.h"

#include <numeric>

#include "core/base/error.h"

#ifdef SOS_GLOO
#define USE_C10D_GLOO  // the header asks for it; libtorch's own build defines it by CMake
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif

namespace sos {

#ifdef SOS_GLOO

bool has_gloo() {
  return true;
}

c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupGloo::Options::create_default(timeout);
  options->global_ranks_in_group.resize(size);
  std::iota(options->global_ranks_in_group.begin(), options->global_ranks_in_group.end(), uint64_t{0});
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
}

#else

bool has_gloo() {
  return false;
}

c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>&, int, int,
                                            std::chrono::milliseconds) {
  throw Error("ERR_NOT_BUILT",
              "expected an addon with process groups but this one was built without gloo's headers; install "
              "them (Debian, Ubuntu: libgloo-dev), delete build/native and run `npm run setup`");
}

#endif

}  // namespace sos
