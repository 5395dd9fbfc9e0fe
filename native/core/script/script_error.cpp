#include "core/script/script_error.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <cctype>
#include <deque>
#include <optional>
#include <regex>
#include <unordered_map>
#include <vector>

#include "core/script/call_inliner.h"

namespace sos {
namespace {

using namespace torch::jit;

struct Frame {
  std::string file;
  size_t line = 0;
  size_t column = 0;
  std::string code;
};

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \n") - first + 1);
}

/// The frames of the serialized code, the outermost first. `<--- HERE` stands below the line of each frame.
/// The failure of a forked task brings a traceback of its own, after the traceback of the wait for the task.
/// The last one counts.
std::vector<Frame> frames_of(const std::string& text) {
  static const std::regex kFile("^  File \"(.*)\", line ([0-9]{1,9}), in .*$");
  std::vector<Frame> frames;
  std::string previous;
  bool inside = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line); previous = line) {
    if (line.rfind("Traceback of TorchScript", 0) == 0) {
      inside = line.find(", original code") == std::string::npos;
      if (inside) frames.clear();
      continue;
    }
    if (!inside) continue;
    std::smatch match;
    if (line.size() < 4096 && std::regex_match(line, match, kFile)) {
      frames.push_back({match[1], std::stoul(match[2]), 0, ""});
    } else if (!frames.empty() && frames.back().code.empty() && line.find("<--- HERE") != std::string::npos) {
      frames.back().code = trimmed(previous);
      frames.back().column = line.find('~');
    }
  }
  return frames;
}

/// The text after the tracebacks, without the `RuntimeError: ` that the interpreter puts before it.
std::string cause_of(const std::string& text) {
  const auto here = text.rfind("<--- HERE");
  if (here == std::string::npos) return trimmed(text);
  // This uses no regular expression: the recursion of one is as deep as the text is long, and the module may
  // have chosen the text.
  const auto is_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
  };
  for (auto start = text.find('\n', here); start != std::string::npos; start = text.find('\n', start + 1)) {
    const auto end = std::find_if_not(text.begin() + start + 1, text.end(), is_name) - text.begin();
    const std::string name = text.substr(start + 1, end - start - 1);
    if (name.empty() || text.compare(end, 2, ": ") != 0) continue;
    const std::string cause = trimmed(text.substr(end + 2));
    return name == "RuntimeError" || name == "torch.jit.Error" ? cause : name + ": " + cause;
  }
  return trimmed(text.substr(std::min(text.find('\n', here), text.size())));
}

bool stands_at(const Node* node, const Frame& frame) {
  const auto where = node->sourceRange().file_line_col();
  return where && std::get<0>(*where) == frame.file && std::get<1>(*where) == frame.line;
}

/// The nodes of a graph and of the graphs that it forks.
struct Nodes {
  std::vector<Node*> all;
  std::unordered_map<Value*, Value*> outside;  // inputs of forks' graphs → inputs of the forks

  explicit Nodes(Block* block) { add(block); }

  void add(Block* block) {
    for (Node* node : block->nodes()) {
      all.push_back(node);
      for (Block* inner : node->blocks()) add(inner);
      if (node->kind() != prim::fork || !node->hasAttribute(attr::Subgraph)) continue;
      const auto body = node->g(attr::Subgraph);
      for (size_t i = 0; i < node->inputs().size(); ++i) outside[body->inputs()[i]] = node->inputs()[i];
      add(body->block());
    }
  }

  /// The calls in the line of the frame. Those that begin in its column come first.
  std::deque<Node*> calls_at(const Frame& frame) const {
    std::deque<Node*> found;
    for (Node* node : all) {
      if (node->kind() != prim::CallMethod && node->kind() != prim::CallFunction) continue;
      if (!stands_at(node, frame)) continue;
      if (std::get<2>(*node->sourceRange().file_line_col()) == frame.column)
        found.push_front(node);
      else
        found.push_back(node);
    }
    return found;
  }

  std::optional<std::vector<std::string>> attributes_from(Value* self, Value* value) const {
    if (const auto found = outside.find(value); found != outside.end()) value = found->second;
    if (value == self) return std::vector<std::string>{};
    if (value->node()->kind() != prim::GetAttr) return std::nullopt;
    auto names = attributes_from(self, value->node()->input());
    if (names) names->push_back(value->node()->s(attr::name));
    return names;
  }
};

bool stands_in(Block* block, const Frame& frame) {
  const Nodes nodes(block);
  return std::any_of(nodes.all.begin(), nodes.all.end(),
                     [&](const Node* node) { return stands_at(node, frame); });
}

/// Follows the frames through the graphs of the methods in which they stand.
std::string submodule_of(const Object& self, const std::string& method, const std::vector<Frame>& frames) {
  Object object = self;
  std::string path;
  Function* function = &self.get_method(method).function();
  for (size_t i = 0; i + 1 < frames.size(); ++i) {
    GraphFunction* current = tryToGraphFunction(*function);
    if (current == nullptr) return path;
    current->ensure_defined();
    const auto graph = current->graph();
    const Nodes nodes(graph->block());
    Function* next = nullptr;
    for (Node* call : nodes.calls_at(frames[i])) {
      Function* callee = nullptr;
      Object instance = object;
      std::string inner = path;
      if (call->kind() == prim::CallMethod) {
        const auto names = nodes.attributes_from(graph->inputs().at(0), call->input(0));
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
    // The failure itself matters more than its place.
  }
  const auto& last = frames.back();
  const std::string line = last.file + ":" + std::to_string(last.line) + ": " + last.code;
  std::string message = path.empty() ? "" : path + ": ";
  return {message + cause_of(text) + "\n  at " + line, path, line, failure.what()};
}

}  // namespace sos
