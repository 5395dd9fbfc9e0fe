#pragma once
#include <exception>
#include <string>

namespace sos {

/// What an exception says. libtorch's ErrorReport makes its text in what(), and ends the process where the
/// locations of the source, records of the archive, are damaged: its text is taken without them.
std::string text_of(const std::exception& error);

}  // namespace sos
