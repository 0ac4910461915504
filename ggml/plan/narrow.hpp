// Holding activations as bf16 where a device's products would round them anyway: half the bytes to save between forward
// and backward pass, to write and to read, and an operand of several products is rounded once.
//
// A value is rounded where it is produced, for every reader, or not at all; which values are is a function of the graph
// and of the kernels' table. So recomputation and paging see the same bits.
#pragma once
#include "ggml/backend/backend.hpp"
#include "ggml/plan/fuse.hpp"

namespace ql {

/// The list with its nodes replaced by ones over bf16 tensors.
struct Narrowed {
    std::vector<const Node *> nodes;
    std::deque<Node> made;
    std::deque<Operand> tensors;
    /// A replaced node -> the one that it stands for, which the shape rule knows.
    std::unordered_map<const Node *, const Node *> origin;
};

/// `kernels`: a backend's table. Outputs stay as they are.
Narrowed narrow(const Fused & list, const Kernel * const * kernels, std::span<Tensor * const> outputs);

}  // namespace ql
