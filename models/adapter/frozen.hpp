// Branches of which a part stays as it is in training. A start that is a piece of the base's weight (PiSSA) must be
// taken from the base again: the matrix holds it a second time with the sign changed, and that part is never trained. As
// the whole is one plain branch of the sum of the ranks, whoever saves, merges or applies it need not know.
#pragma once
#include "models/adapter/adapter.hpp"

namespace ql {

bool has_frozen(const Adapter & adapter);

struct SplitAdapter {
    Adapter trained;                 // the first ranks of each matrix
    std::vector<LoraMatrix> frozen;  // the others, of the matrices that have some
};
SplitAdapter split_frozen(const Adapter & adapter);

/// Puts the values of a split's trained part back into the adapter that was split.
void join_trained(const Adapter & trained, Adapter & adapter);

/// The matrix of which these are the trained part and the frozen one.
LoraMatrix join_frozen(const LoraMatrix & trained, const LoraMatrix & frozen);

/// Adds minus the matrix itself as its frozen part: the branch then adds exactly nothing, until it is trained.
void freeze_negative(LoraMatrix & matrix);

}  // namespace ql
