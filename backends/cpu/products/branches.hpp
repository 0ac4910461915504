// LoRA branches of single tokens: of a batch in which each has other adapters, and beside a linear of a few tokens.
#pragma once
#include <array>
#include <span>

#include "backends/cpu/pool.hpp"
#include "backends/cpu/products/weight.hpp"

namespace ql::cpu {

inline constexpr size_t kMaxBranches = 64;

/// h = A x and s B h, by token.
struct Branch {
    Weight a;                   // [k, r]; f32, f16 or bf16
    Weight bt;                  // [m, r]; the same
    const float * s = nullptr;  // the first token's factor
    float * h = nullptr;        // [r, tokens]

    int64_t r() const { return a.m; }
};

struct Branches {
    std::array<Branch, kMaxBranches> list;
    size_t n = 0;
    int64_t s_row = 0;  // elements from a token's factor to the next one's

    std::span<const Branch> all() const { return {list.data(), n}; }
    float factor(const Branch & b, int64_t token) const { return b.s[token * s_row]; }
    bool has(const Branch & b, int64_t token) const { return factor(b, token) != 0; }
    /// How many tokens from t on, below `end`, have the same factors.
    int64_t run_of(int64_t t, int64_t end) const;
};

/// A token and one of its branches.
struct TokenBranch {
    int32_t token, branch;
};

/// h of these pairs. x [k, tokens] is f32 or bf16; `row` has k f32 for each thread.
void branches_down(Pool & pool, const Branches & b, std::span<const TokenBranch> pairs, const void * x, bool x_bf16,
                   float * row);

/// c[j] = (add[j] +) sum_i s_i B_i h_i for columns [first, last) of a token; add may be c, or null.
/// The sum goes over the branches in order, and over the rows of each, so a column's bits depend on nothing else.
void add_branches(const Branches & b, int64_t token, int64_t first, int64_t last, const float * add, float * c);

}  // namespace ql::cpu
