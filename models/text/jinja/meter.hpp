// What one template may use. A template is a stranger's program: it must not run for ever, fill the memory, or overflow
// the stack of the thread that renders it. One meter counts all three: every operation says beforehand what it will
// cost, and goes on only if that much is left.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ql/status.hpp"

namespace ql::jinja {

/// How far a recursion may go down from where the limit was made: 256 KiB, less where the thread's stack is shorter.
/// Measured in bytes, not in levels: frames differ between builds, and an embedder's thread has the stack it has.
class StackLimit {
  public:
    StackLimit();
    /// An error if the caller stands below the limit. To be asked by everything that calls itself.
    Status check() const;

  private:
    uintptr_t lowest_;
};

class Meter {
  public:
    /// A step is what a node of the tree costs, some 100 ns at most.
    explicit Meter(int64_t steps = 4'000'000, int64_t bytes = int64_t{256} << 20) : steps_(steps), bytes_(bytes) {}

    Status step(size_t n = 1);
    /// Pays for reading or comparing this many bytes.
    Status scan(size_t bytes) { return step(bytes / kBytesPerStep); }
    /// Pays for making this many bytes of strings or lists. They count even when they are freed again.
    Status charge(size_t bytes);
    /// `n` things of `size` bytes; a product that overflows is an error.
    Status charge(size_t n, size_t size);
    /// Gives back what was charged as a bound and then not made.
    void refund(size_t bytes) { bytes_ += static_cast<int64_t>(bytes); }
    Status check_stack() const { return stack_.check(); }

  private:
    static constexpr size_t kBytesPerStep = 64;
    int64_t steps_, bytes_;
    StackLimit stack_;
};

}  // namespace ql::jinja
