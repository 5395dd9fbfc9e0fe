#include "core/distributed/nccl.h"

#include <ATen/Context.h>

#include "core/base/error.h"

#ifdef SOS_NCCL
#define USE_C10D_NCCL  // the header asks for it; libtorch's own build defines it by CMake
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace sos {

#ifdef SOS_NCCL

bool has_nccl() {
  return true;
}

c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                            std::chrono::milliseconds timeout) {
  if (!at::hasCUDA()) {
    throw Error("ERR_DEVICE", "expected a CUDA device for nccl but found none; use gloo");
  }
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
}

#else

bool has_nccl() {
  return false;
}

c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>&, int, int,
                                            std::chrono::milliseconds) {
  throw Error(
      "ERR_NOT_BUILT",
      "expected an addon with nccl but this one was built for the CPU or without all of CUDA's headers; use "
      "gloo, or, with a libtorch for CUDA, install them (the CUDA toolkit and NCCL, or beside PyTorch's "
      "wheel the packages nvidia-cuda-crt and nvidia-cuda-cccl of its CUDA version), and compile the addon "
      "again: `npx optimum-shifting setup --build`, or in a clone delete build/native and run `npm run "
      "setup`");
}

#endif

}  // namespace sos
