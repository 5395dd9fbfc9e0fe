#pragma once
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace sos {

/// Holds a module and its parts in eval mode, and watches its weights. Holds are counted for each part, by
/// the object itself, whatever handle or thread reaches it. The first hold puts a part in eval mode. The last
/// one gives it back the mode that it had before.
class EvalHold {
 public:
  /// `to_write` says that this task ends with a write; it does not prevent the write of another task.
  /// `before_switching` is called before parts in train mode are switched. If it throws, all parts stay as
  /// they were. What it returns is kept until the parts are switched.
  EvalHold(const torch::jit::Module& module, bool to_write,
           const std::function<std::shared_ptr<void>()>& before_switching);
  ~EvalHold();
  EvalHold(const EvalHold&) = delete;
  EvalHold& operator=(const EvalHold&) = delete;

  /// Throws Error `ERR_BUSY` if a weight was written to, or moved, since the hold began or since the holder
  /// last noted the weight.
  void expect_weights() const;

  /// Accepts the buffers as they are, after a call by the holder, which may write to the module's buffers.
  void note_buffers();

  /// Accepts all weights as they are, after a write by the holder.
  void note_weights();

  /// Throws Error `ERR_BUSY` if another task, one that does not end with a write, holds a part too.
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
  mutable std::mutex mutex_;  // guards the weights
  std::vector<Weight> weights_;
};

/// The objects of a module and its parts, each of them once.
std::vector<torch::jit::Module> parts_of(const torch::jit::Module& module);

/// Whether the module itself or a part of it is held.
bool is_held(const torch::jit::Module& module);

/// Whether a part is held that was in train mode before. A call that runs now would run in another mode than
/// the part will get back.
bool is_held_from_training(const torch::jit::Module& module);

/// Whether each part is in this mode, and will still be in it when all holds have ended.
bool stays_in(const torch::jit::Module& module, bool training);

/// The modes that the parts have when nobody holds them.
std::vector<bool> modes_of(const torch::jit::Module& module);

/// Sets these modes. A part that is held gets its mode when the hold ends.
void set_modes(const torch::jit::Module& module, const std::vector<bool>& modes);

}  // namespace sos
