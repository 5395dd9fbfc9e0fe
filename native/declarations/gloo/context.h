#pragma once
#include <chrono>

namespace gloo {

/// The connections of a rank to the others. This declares what c10d's header names of it.
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
