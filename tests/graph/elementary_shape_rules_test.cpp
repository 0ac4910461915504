// What the shape rules of elementary operators refuse.
#include "graph/refusals.hpp"

namespace ql::test {
namespace {

const Refusal kRefusals[] = {
    {"mul sizes",
     [](Leaves & l) {
         return ql_mul(&l.g, l.f32({4, 3}), l.f32({4, 2}));
     },
     QL_BAD_SHAPE, "mul: each size of the second must be the first's, or 1: 'x' (f32 [4, 3]), 'x' (f32 [4, 2])"},
    {"mul order",
     [](Leaves & l) {
         return ql_mul(&l.g, l.f32(4), l.f32({4, 3}));
     },
     QL_BAD_SHAPE, "mul: each size of the second"},
    {"mul dtype", [](Leaves & l) { return ql_mul(&l.g, l.f32(4), l.f16(4)); }, QL_BAD_DTYPE,
     "mul: input 1 must be f32, got 'cache' (f16 [4])"},
    {"scale", [](Leaves & l) { return ql_scale(&l.g, l.f32(4), INFINITY, 0); }, QL_INVALID_ARGUMENT,
     "scale: factor inf, offset 0"},
    {"unary dtype", [](Leaves & l) { return ql_unary(&l.g, l.i32(4), QL_UNARY_EXP); }, QL_BAD_DTYPE,
     "unary: input 0 must be f32"},
    {"unary kind", [](Leaves & l) { return ql_unary(&l.g, l.f32(4), QL_UNARY_N); }, QL_INVALID_ARGUMENT,
     "unary: unknown kind -1"},
    {"clamp", [](Leaves & l) { return ql_clamp(&l.g, l.f32(4), 1, 0.5f); }, QL_INVALID_ARGUMENT,
     "clamp: from 1 to 0.5; the first must not be above the second"},
    {"soft_cap", [](Leaves & l) { return ql_soft_cap(&l.g, l.f32(4), -1); }, QL_INVALID_ARGUMENT,
     "soft_cap: the cap is -1, it must be above 0"},
    {"softmax dtype", [](Leaves & l) { return ql_softmax(&l.g, l.i32(4)); }, QL_BAD_DTYPE,
     "softmax: input 0 must be f32, f16 or bf16, got 'ids' (i32 [4])"},
    {"sum_rows dtype", [](Leaves & l) { return ql_sum_rows(&l.g, l.i32(4)); }, QL_BAD_DTYPE,
     "sum_rows: input 0 must be f32, f16 or bf16"},
    {"layer_norm w",
     [](Leaves & l) {
         return ql_layer_norm(&l.g, l.f32({4, 3}), l.f32(3), nullptr, 0);
     },
     QL_BAD_SHAPE, "layer_norm: input 1 must be of shape [4]"},
    {"layer_norm b",
     [](Leaves & l) {
         return ql_layer_norm(&l.g, l.f32({4, 3}), nullptr, l.f32(3), 0);
     },
     QL_BAD_SHAPE, "layer_norm: input 2 must be of shape [4]"},
    {"layer_norm eps", [](Leaves & l) { return ql_layer_norm(&l.g, l.f32(4), nullptr, nullptr, -1); },
     QL_INVALID_ARGUMENT, "layer_norm: eps is -1"},
    {"expand",
     [](Leaves & l) {
         const int64_t ne[] = {4, 6};
         return ql_expand(&l.g, l.f32({4, 3}), 2, ne);
     },
     QL_BAD_SHAPE, "expand: 'x' (f32 [4, 3]) does not become [4, 6] by repetition of sizes of 1"},
    {"expand shrinks",
     [](Leaves & l) {
         const int64_t ne[] = {4};
         return ql_expand(&l.g, l.f32({4, 3}), 1, ne);
     },
     QL_BAD_SHAPE, "expand: 'x' (f32 [4, 3]) does not become [4]"},
    {"sum_tiles of more than a row",
     [](Leaves & l) {
         return ql_sum_tiles(&l.g, l.f32({4, 3}), 5);
     },
     QL_BAD_SHAPE, "sum_tiles: tiles of 5, 1 to 4 are possible in 'x' (f32 [4, 3])"},
    {"sum_tiles of none", [](Leaves & l) { return ql_sum_tiles(&l.g, l.f32(4), 0); }, QL_BAD_SHAPE,
     "sum_tiles: tiles of 0, 1 to 4 are possible"},
    {"sum_tiles dtype", [](Leaves & l) { return ql_sum_tiles(&l.g, l.i32(4), 2); }, QL_BAD_DTYPE,
     "sum_tiles: input 0 must be f32"},
    {"tile shrinks",
     [](Leaves & l) {
         return ql_tile(&l.g, l.f32({4, 3}), 3);
     },
     QL_BAD_SHAPE, "tile: rows of 3 cannot be filled with 'x' (f32 [4, 3]), whose rows are longer"},
    {"tile too many",
     [](Leaves & l) {
         return ql_tile(&l.g, l.f32({4, 3}), INT64_MAX / 2);
     },
     QL_BAD_SHAPE, "tile: "},
    {"slice",
     [](Leaves & l) {
         return ql_slice(&l.g, l.f32({4, 3}), 1, 1, 3);
     },
     QL_BAD_SHAPE, "slice: 3 elements from 1 on, of dimension 1 of 'x' (f32 [4, 3])"},
    {"slice of blocks",
     [](Leaves & l) {
         return ql_slice(&l.g, l.weight({64, 3}, QL_Q8_0), 0, 0, 32);
     },
     QL_BAD_DTYPE, "slice: input 0 must be of a type without blocks, got 'w' (q8_0 [64, 3])"},
    {"slice dimension", [](Leaves & l) { return ql_slice(&l.g, l.f32(4), 4, 0, 1); }, QL_INVALID_ARGUMENT,
     "slice: dimension 4, 0 to 3 are possible"},
    {"pad", [](Leaves & l) { return ql_pad(&l.g, l.f32(4), 0, -1, 0); }, QL_BAD_SHAPE,
     "pad: -1 before and 0 after dimension 0 of 'x' (f32 [4])"},
    {"concat",
     [](Leaves & l) {
         return ql_concat(&l.g, l.f32({4, 3}), l.f32({4, 2}), 0);
     },
     QL_BAD_SHAPE, "concat: the tensors differ in another dimension than that of the concatenation"},
    {"concat types", [](Leaves & l) { return ql_concat(&l.g, l.f32(4), l.f16(4), 0); }, QL_BAD_DTYPE,
     "concat: 'x' (f32 [4]) and 'cache' (f16 [4]) differ in type"},
    {"permute",
     [](Leaves & l) {
         const int from[] = {0, 0, 2, 3};
         return ql_permute(&l.g, l.f32(4), from);
     },
     QL_INVALID_ARGUMENT, "permute: dimensions 0, 0, 2, 3; each of 0 to 3 is needed once"},
    {"gather_rows ids",
     [](Leaves & l) {
         return ql_gather_rows(&l.g, l.f32({4, 3}), l.i32({2, 2}));
     },
     QL_BAD_SHAPE, "gather_rows: ids must have one dimension"},
    {"gather_rows x",
     [](Leaves & l) {
         return ql_gather_rows(&l.g, l.f32({4, 3, 2}), l.i32(2));
     },
     QL_BAD_SHAPE, "gather_rows: input 0 must be of two dimensions at most"},
    {"scatter_add_rows ids",
     [](Leaves & l) {
         return ql_scatter_add_rows(&l.g, l.f32({4, 3}), l.i32(2), 5);
     },
     QL_BAD_SHAPE, "scatter_add_rows: input 1 must be of shape [3]"},
    {"scatter_add_rows rows",
     [](Leaves & l) {
         return ql_scatter_add_rows(&l.g, l.f32({4, 3}), l.i32(3), 0);
     },
     QL_BAD_SHAPE, "scatter_add_rows: 0 rows of 4"},
    {"scatter_add_rows too many",
     [](Leaves & l) {
         return ql_scatter_add_rows(&l.g, l.f32({4, 3}), l.i32(3), int64_t{1} << 47);
     },
     QL_BAD_SHAPE, "scatter_add_rows: a result of [4, 140737488355328] has too many elements"},
    {"concat too many",
     [](Leaves & l) {
         Tensor * x = l.f32(int64_t{1} << 48);
         return ql_concat(&l.g, x, x, 0);
     },
     QL_BAD_SHAPE, "concat: a result of [562949953421312] has too many elements"},
    {"expand too many",
     [](Leaves & l) {
         const int64_t ne[] = {int64_t{1} << 40, int64_t{1} << 40};
         return ql_expand(&l.g, l.f32(1), 2, ne);
     },
     QL_BAD_SHAPE, "expand: a result of [1099511627776, 1099511627776] has too many elements"},
    {"expand to nothing",
     [](Leaves & l) {
         const int64_t ne[] = {0};
         return ql_expand(&l.g, l.f32(1), 1, ne);
     },
     QL_BAD_SHAPE, "expand: 'x' (f32 [1]) does not become [0]"},
    {"top_k",
     [](Leaves & l) {
         return ql_top_k(&l.g, l.f32({4, 3}), 5, nullptr);
     },
     QL_INVALID_ARGUMENT, "top_k: k is 5, it must be from 1 to the row length of 'x' (f32 [4, 3])"},
};

TEST(ShapeRules, OfElementaryOperatorsRefuseWhatDoesNotFit) {
    for (const Refusal & r : kRefusals) expect_refusal(r);
}

}  // namespace
}  // namespace ql::test
