// A thread of an emulated kernel: a stack of its own, left and entered again by the thread that runs the block.
#pragma once
#include <cstddef>
#include <vector>

namespace ql::cuda::emu {

/// Stacks for the threads of a block, kept from launch to launch. Each has a closed page below it.
class Stacks {
  public:
    Stacks() = default;
    ~Stacks();
    Stacks(const Stacks &) = delete;
    Stacks & operator=(const Stacks &) = delete;

    /// Makes sure of n stacks; false: there is no memory for them.
    bool need(size_t n);
    /// The highest address of a stack, aligned to 64.
    std::byte * top(size_t i) const;
    static constexpr size_t kBytes = size_t{64} << 10;

  private:
    std::vector<std::byte *> pieces_;  // of kPiece stacks
};

/// Where a thread was when it was left; it is entered there again.
struct Context {
    void * stack_pointer = nullptr;
};

/// A context that begins in `entry` on a stack; `entry` never returns.
Context begin_on(std::byte * stack_top, void (*entry)());
/// Leaves the running context, which is kept in `from`, and enters `to`.
void enter(Context & from, const Context & to);

}  // namespace ql::cuda::emu
