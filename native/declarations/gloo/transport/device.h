#pragma once

namespace gloo::transport {

/// A network interface, and the memory of a message. c10d's header names them only behind pointers.
class Device;

class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = default;
};

}  // namespace gloo::transport
