#include "core/base/error_text.h"

#include <torch/csrc/jit/frontend/error_report.h>

#include <sstream>

namespace sos {
namespace {

/// If it is written to an ErrorReport, it reads what was written before it.
struct TextReader {
  std::string& text;
};

std::ostream& operator<<(std::ostream& stream, const TextReader& reader) {
  if (const auto* written = dynamic_cast<const std::stringstream*>(&stream)) reader.text = written->str();
  return stream;
}

}  // namespace

std::string text_of(const std::exception& error) {
  const auto* report = dynamic_cast<const torch::jit::ErrorReport*>(&error);
  if (report == nullptr) return error.what();
  std::string text;
  *report << TextReader{text};
  return text;
}

}  // namespace sos
