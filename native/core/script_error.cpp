#include "core/script_error.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <regex>
#include <vector>

#include "core/call_inliner.h"

namespace sos {
namespace {

using namespace torch::jit;

struct Frame {
  std::string file;
  size_t line = 0;
  std::string code;
};

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \n") - first + 1);
}

/// The frames of the first traceback, the outermost first. `<--- HERE` stands under the line of each.
std::vector<Frame> frames_of(const std::string& text) {
  static const std::regex kFile("^  File \"(.*)\", line ([0-9]{1,9}), in .*$");
  std::vector<Frame> frames;
  std::string previous;
  bool inside = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line); previous = line) {
    if (line.rfind("Traceback of TorchScript", 0) == 0) {
      if (inside) break;
      inside = true;
      continue;
    }
    std::smatch match;
    if (line.size() < 4096 && std::regex_match(line, match, kFile)) {
      frames.push_back({match[1], std::stoul(match[2]), ""});
    } else if (!frames.empty() && frames.back().code.empty() && line.find("<--- HERE") != std::string::npos) {
      frames.back().code = trimmed(previous);
    }
  }
  return frames;
}

/// What comes after the tracebacks, without the `RuntimeError: ` that the interpreter puts before it.
std::string cause_of(const std::string& text) {
  const auto here = text.rfind("<--- HERE");
  if (here == std::string::npos) return trimmed(text);
  static const std::regex kCause("\n([A-Za-z_][A-Za-z_0-9.]*): ");
  std::smatch match;
  const std::string rest = text.substr(here);
  if (!std::regex_search(rest, match, kCause)) return trimmed(rest.substr(rest.find('\n') + 1));
  const std::string cause = trimmed(match.suffix());
  return match[1] == "RuntimeError" || match[1] == "torch.jit.Error" ? cause : match[1].str() + ": " + cause;
}

void calls_at(Block* block, const Frame& frame, std::vector<Node*>& found) {
  for (Node* node : block->nodes()) {
    if (node->kind() == prim::CallMethod || node->kind() == prim::CallFunction) {
      const auto where = node->sourceRange().file_line_col();
      if (where && std::get<0>(*where) == frame.file && std::get<1>(*where) == frame.line)
        found.push_back(node);
    }
    for (Block* inner : node->blocks()) calls_at(inner, frame, found);
  }
}

bool stands_in(Block* block, const Frame& frame) {
  for (Node* node : block->nodes()) {
    const auto where = node->sourceRange().file_line_col();
    if (where && std::get<0>(*where) == frame.file && std::get<1>(*where) == frame.line) return true;
    for (Block* inner : node->blocks()) {
      if (stands_in(inner, frame)) return true;
    }
  }
  return false;
}

std::optional<std::vector<std::string>> attributes_from(Value* self, Value* value) {
  if (value == self) return std::vector<std::string>{};
  if (value->node()->kind() != prim::GetAttr) return std::nullopt;
  auto names = attributes_from(self, value->node()->input());
  if (names) names->push_back(value->node()->s(attr::name));
  return names;
}

/// Follows the frames through the graphs of the methods that they stand in.
std::string submodule_of(const Object& self, const std::string& method, const std::vector<Frame>& frames) {
  Object object = self;
  std::string path;
  Function* function = &self.get_method(method).function();
  for (size_t i = 0; i + 1 < frames.size(); ++i) {
    GraphFunction* current = tryToGraphFunction(*function);
    if (current == nullptr) return path;
    current->ensure_defined();
    const auto graph = current->graph();
    std::vector<Node*> calls;
    calls_at(graph->block(), frames[i], calls);
    Function* next = nullptr;
    for (Node* call : calls) {
      Function* callee = nullptr;
      Object instance = object;
      std::string inner = path;
      if (call->kind() == prim::CallMethod) {
        const auto names = attributes_from(graph->inputs().at(0), call->input(0));
        if (!names) continue;
        for (const auto& name : *names) {
          instance = Object(instance._ivalue()->getAttr(name).toObject());
          inner += (inner.empty() ? "" : ".") + name;
        }
        const auto found = instance.find_method(call->s(attr::name));
        if (!found) continue;
        callee = &found->function();
      } else {
        callee = call->input(0)->type()->expect<FunctionType>()->function();
      }
      GraphFunction* body = tryToGraphFunction(*callee);
      if (body == nullptr) continue;
      body->ensure_defined();
      if (!stands_in(body->graph()->block(), frames[i + 1])) continue;
      next = callee;
      object = instance;
      path = inner;
      break;
    }
    if (next == nullptr) return path;
    function = next;
  }
  return path;
}

}  // namespace

ScriptError explain_failure(const Object& self, const std::string& method, const std::exception& failure) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&failure);
  const std::string text = torch_error ? torch_error->what_without_backtrace() : failure.what();
  const auto frames = frames_of(text);
  if (frames.empty()) return {cause_of(text), "", "", failure.what()};
  std::string path;
  try {
    path = submodule_of(self, method, frames);
  } catch (const std::exception&) {
    // The failure itself matters more than where it was.
  }
  const auto& last = frames.back();
  const std::string line = last.file + ":" + std::to_string(last.line) + ": " + last.code;
  std::string message = path.empty() ? "" : path + ": ";
  return {message + cause_of(text) + "\n  at " + line, path, line, failure.what()};
}

}  // namespace sos
