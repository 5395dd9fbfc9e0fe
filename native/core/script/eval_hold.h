#pragma once
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace sos {

/// Holds a module and its parts in eval mode, and watches its weights. Holds are counted for each part, by
/// the object itself, whichever handle or thread it is reached by: the first puts a part in eval mode, the
/// last gives it back the mode in which it came.
class EvalHold {
 public:
  /// `to_write` tells of a task that ends with a write: it is not in the way of the write of another.
  /// `before_switching` is asked before parts in train mode are switched; what it throws leaves all as it
  /// was, what it returns is kept until they are.
  EvalHold(const torch::jit::Module& module, bool to_write,
           const std::function<std::shared_ptr<void>()>& before_switching);
  ~EvalHold();
  EvalHold(const EvalHold&) = delete;
  EvalHold& operator=(const EvalHold&) = delete;

  /// Throws Error `ERR_BUSY` where a weight was written to, or moved, since the hold began or since the
  /// holder last noted it.
  void expect_weights() const;

  /// Takes the buffers as they are, after a call of the holder, which may write to its own.
  void note_buffers();

  /// Takes all weights as they are, after a write of the holder.
  void note_weights();

  /// Throws Error `ERR_BUSY` where another task that does not itself end with a write holds a part too.
  void expect_no_reader() const;

 private:
  struct Weight {
    std::string name;
    at::Tensor tensor;
    bool buffer;
    const void* data = nullptr;
    uint32_t version = 0;
    at::ScalarType dtype = at::kFloat;
  };
  void read(Weight& weight) const;

  const bool to_write_;
  std::vector<torch::jit::Module> parts_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Weight> weights_;
};

/// The objects of a module and its parts, each once.
std::vector<torch::jit::Module> parts_of(const torch::jit::Module& module);

/// Whether the module itself or a part of it is held.
bool is_held(const torch::jit::Module& module);

/// Whether a part is held that came in train mode: what runs now runs in another mode than it will be given
/// back.
bool is_held_from_training(const torch::jit::Module& module);

/// Whether each part is in this mode, and stays in it when those who hold it are done.
bool stays_in(const torch::jit::Module& module, bool training);

/// The modes of the parts, as they are when nobody holds them.
std::vector<bool> modes_of(const torch::jit::Module& module);

/// Sets these modes; of parts that are held, those that they are given back.
void set_modes(const torch::jit::Module& module, const std::vector<bool>& modes);

}  // namespace sos
