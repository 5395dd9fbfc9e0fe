#pragma once
#include <stdexcept>
#include <string>

namespace sos {

/// An error that the caller can act on. `code` is stable and meant for programs, the message is for people.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code(std::move(code)) {}
  const std::string code;
};

}  // namespace sos
