#pragma once
#include <exception>
#include <string>

namespace sos {

/// The message of an exception. libtorch's ErrorReport makes its text in what(), and ends the process if the
/// locations of the source, which are records of the archive, are damaged. So its text is taken without them.
std::string text_of(const std::exception& error);

}  // namespace sos
