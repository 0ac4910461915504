// Shape rules refuse what does not fit, in one line that names the operator and what it got.
#include "graph/refusals.hpp"

namespace ql::test {
namespace {

const Refusal kRefusals[] = {
    {"add shapes",
     [](Leaves & l) {
         return ql_add(&l.g, l.f32({4, 3}), l.f32({3}));
     },
     QL_BAD_SHAPE, "add: each size of the second must be the first's, or 1: 'x' (f32 [4, 3]), 'x' (f32 [3])"},
    {"add dtype", [](Leaves & l) { return ql_add(&l.g, l.f32(4), l.i32(4)); }, QL_BAD_DTYPE,
     "add: input 1 must be f32, got 'ids' (i32 [4])"},
    {"null", [](Leaves & l) { return ql_add(&l.g, l.f32(4), nullptr); }, QL_INVALID_ARGUMENT, "add: input 1 is NULL"},
    {"reshape count",
     [](Leaves & l) {
         const int64_t ne[] = {5};
         return ql_reshape(&l.g, l.f32(4), 1, ne);
     },
     QL_BAD_SHAPE, "reshape: 'x' (f32 [4]) has 4 elements, which do not fill [5]"},
    {"reshape overflow",
     [](Leaves & l) {
         const int64_t ne[] = {int64_t{1} << 40, int64_t{1} << 40};
         return ql_reshape(&l.g, l.f32(4), 2, ne);
     },
     QL_BAD_SHAPE, "reshape"},
    {"reshape negative",
     [](Leaves & l) {
         const int64_t ne[] = {-2, -2};
         return ql_reshape(&l.g, l.f32(4), 2, ne);
     },
     QL_BAD_SHAPE, "reshape"},
    {"reshape dimensions",
     [](Leaves & l) {
         const int64_t ne[] = {4};
         return ql_reshape(&l.g, l.f32(4), 5, ne);
     },
     QL_BAD_SHAPE, "5 dimensions"},
    {"reshape block",
     [](Leaves & l) {
         const int64_t ne[] = {16, 4};
         return ql_reshape(&l.g, l.weight({32, 2}, QL_Q8_0), 2, ne);
     },
     QL_BAD_SHAPE, "blocks"},
    {"get_rows ids",
     [](Leaves & l) {
         return ql_get_rows(&l.g, l.f32({4, 3}), l.f32(2));
     },
     QL_BAD_DTYPE, "get_rows: input 1 must be i32"},
    {"get_rows ids 2d",
     [](Leaves & l) {
         return ql_get_rows(&l.g, l.f32({4, 3}), l.i32({2, 2}));
     },
     QL_BAD_SHAPE, "ids must have one dimension"},
    {"get_rows table",
     [](Leaves & l) {
         return ql_get_rows(&l.g, l.i32({4, 3}), l.i32(2));
     },
     QL_BAD_DTYPE, "floating-point or quantised"},
    {"rms_norm w",
     [](Leaves & l) {
         return ql_rms_norm(&l.g, l.f32({4, 3}), l.f32(3), 0);
     },
     QL_BAD_SHAPE, "rms_norm: input 1 must be of shape [4]"},
    {"rms_norm eps", [](Leaves & l) { return ql_rms_norm(&l.g, l.f32(4), l.f32(4), -1); }, QL_INVALID_ARGUMENT,
     "eps is -1"},
    {"mul_mat inner",
     [](Leaves & l) {
         return ql_mul_mat(&l.g, l.weight({64, 32}, QL_NF4), l.f32({48, 7}));
     },
     QL_BAD_SHAPE, "mul_mat: inner sizes differ: 'w' (nf4 [64, 32]), 'x' (f32 [48, 7])"},
    {"mul_mat 3d",
     [](Leaves & l) {
         return ql_mul_mat(&l.g, l.f32({4, 3}), l.f32({4, 3, 2}));
     },
     QL_BAD_SHAPE, "two dimensions"},
    {"mul_mat_t inner",
     [](Leaves & l) {
         return ql_mul_mat_t(&l.g, l.f32({4, 3}), l.f32({4, 2}));
     },
     QL_BAD_SHAPE, "mul_mat_t: the rows"},
    {"outer tokens",
     [](Leaves & l) {
         return ql_outer(&l.g, l.f32({4, 3}), l.f32({4, 2}));
     },
     QL_BAD_SHAPE, "outer: numbers of tokens differ"},
    {"outer too many",
     [](Leaves & l) {
         Tensor * x = l.f32(int64_t{1} << 32);
         return ql_outer(&l.g, x, x);
     },
     QL_BAD_SHAPE, "outer: a result of [4294967296, 4294967296] has too many elements"},
    {"lora tokens",
     [](Leaves & l) {
         return ql_lora(&l.g, l.f32({5, 3}), l.f32({4, 2}), l.f32({4, 2}), l.f32({2, 5}), 1);
     },
     QL_BAD_SHAPE, "lora: numbers"},
    {"lora A",
     [](Leaves & l) {
         return ql_lora(&l.g, l.f32({5, 3}), l.f32({4, 3}), l.f32({5, 2}), l.f32({2, 5}), 1);
     },
     QL_BAD_SHAPE, "lora: x and A"},
    {"lora rank",
     [](Leaves & l) {
         return ql_lora(&l.g, l.f32({5, 3}), l.f32({4, 3}), l.f32({4, 2}), l.f32({3, 5}), 1);
     },
     QL_BAD_SHAPE, "lora: A and B differ in rank"},
    {"lora B",
     [](Leaves & l) {
         return ql_lora(&l.g, l.f32({5, 3}), l.f32({4, 3}), l.f32({4, 2}), l.f32({2, 6}), 1);
     },
     QL_BAD_SHAPE, "lora: y and B"},
    {"lora_merge into what is frozen",
     [](Leaves & l) {
         return ql_lora_merge(&l.g, l.weight({4, 5}, QL_F32), l.f32({4, 5}), l.f32({4, 2}), l.f32({2, 5}), 1);
     },
     QL_INVALID_ARGUMENT, "lora_merge: input 0 must be a state (it is changed in place)"},
    {"lora_merge without an encoder",
     [](Leaves & l) {
         const int64_t ne[] = {256, 5};
         ql_tensor * state = ql_state(&l.g, "m", QL_Q5_1, 2, ne);
         return ql_lora_merge(&l.g, state, l.f32({256, 5}), l.f32({256, 2}), l.f32({2, 5}), 1);
     },
     QL_BAD_DTYPE, "lora_merge: input 0 must be of a type that can be written, got 'm' (q5_1 [256, 5])"},
    {"lora_merge shapes",
     [](Leaves & l) {
         return ql_lora_merge(&l.g, l.state({4, 5}), l.f32({4, 6}), l.f32({4, 2}), l.f32({2, 5}), 1);
     },
     QL_BAD_SHAPE, "lora_merge: inputs 0 and 1 differ in shape"},
    {"lora_merge B",
     [](Leaves & l) {
         return ql_lora_merge(&l.g, l.state({4, 5}), l.f32({4, 5}), l.f32({4, 2}), l.f32({2, 6}), 1);
     },
     QL_BAD_SHAPE, "lora_merge: sizes of A, B and the weight do not fit"},
    {"mul_mat_merged inner",
     [](Leaves & l) {
         return ql_mul_mat_merged(&l.g, l.state({4, 5}), l.f32({3, 3}), l.f32({4, 2}), l.f32({2, 5}), 1);
     },
     QL_BAD_SHAPE, "mul_mat_merged: inner sizes differ"},
    {"mul_mat_merged rank",
     [](Leaves & l) {
         return ql_mul_mat_merged(&l.g, l.state({4, 5}), l.f32({4, 3}), l.f32({4, 2}), l.f32({3, 5}), 1);
     },
     QL_BAD_SHAPE, "mul_mat_merged: A and B differ in rank"},
    {"lora_mix W",
     [](Leaves & l) {
         return l.mix({5, 7}, {4, 3}, {2, 3}, {4, 2}, {7, 2});
     },
     QL_BAD_SHAPE, "lora_mix: inner sizes differ"},
    {"lora_mix tokens",
     [](Leaves & l) {
         return l.mix({4, 7}, {4, 3}, {2, 2}, {4, 2}, {7, 2});
     },
     QL_BAD_SHAPE, "lora_mix: numbers of tokens differ"},
    {"lora_mix A",
     [](Leaves & l) {
         return l.mix({4, 7}, {4, 3}, {2, 3}, {5, 2}, {7, 2});
     },
     QL_BAD_SHAPE, "lora_mix: W and an A differ in row length"},
    {"lora_mix B",
     [](Leaves & l) {
         return l.mix({4, 7}, {4, 3}, {2, 3}, {4, 2}, {2, 7});
     },
     QL_BAD_SHAPE, "lora_mix: W and a B differ in size"},
    {"lora_mix rank",
     [](Leaves & l) {
         return l.mix({4, 7}, {4, 3}, {2, 3}, {4, 2}, {7, 1});
     },
     QL_BAD_SHAPE, "lora_mix: an A and its B differ in rank"},
    {"lora_mix adapter",
     [](Leaves & l) {
         return l.mix({4, 7}, {4, 3}, {1, 3}, {4, 2}, {7, 2});
     },
     QL_BAD_SHAPE, "lora_mix: a branch's adapter has no factors"},
    {"lora_mix blocks",
     [](Leaves & l) {
         Tensor *const a = l.weight({32, 2}, QL_Q8_0), *const bt = l.f32({7, 2});
         const int adapter = 0;
         return ql_lora_mix(&l.g, l.f32({32, 7}), l.f32({32, 3}), l.f32({1, 3}), 1, &adapter, &a, &bt);
     },
     QL_BAD_DTYPE, "lora_mix: input 3 must be f32, f16 or bf16"},
    {"dropout p", [](Leaves & l) { return ql_dropout(&l.g, l.f32(4), l.i32(4), 1, 0); }, QL_INVALID_ARGUMENT,
     "dropout: p is 1"},
    {"dropout key", [](Leaves & l) { return ql_dropout(&l.g, l.f32(4), l.i32(3), 0, 0); }, QL_BAD_SHAPE,
     "dropout: input 1 must be of shape [4]"},
    {"uniform_noise amplitude",
     [](Leaves & l) {
         return ql_uniform_noise(&l.g, l.f32({4, 3}), l.f32(4), l.i32(4), 0);
     },
     QL_BAD_SHAPE, "uniform_noise: input 1 must be of shape [3]"},
    {"uniform_noise key",
     [](Leaves & l) {
         return ql_uniform_noise(&l.g, l.f32({4, 3}), l.f32(3), l.i32(3), 0);
     },
     QL_BAD_SHAPE, "uniform_noise: input 2 must be of shape [4]"},
    {"rope_table n_rot", [](Leaves & l) { return ql_rope_table(&l.g, l.i32(4), nullptr, 3, 1e4f, 1, 1); },
     QL_INVALID_ARGUMENT, "n_rot is 3"},
    {"rope_table base", [](Leaves & l) { return ql_rope_table(&l.g, l.i32(4), nullptr, 4, 0, 1, 1); },
     QL_INVALID_ARGUMENT, "base 0"},
    {"rope_table factors", [](Leaves & l) { return ql_rope_table(&l.g, l.i32(4), l.f32(3), 4, 1e4f, 1, 1); },
     QL_BAD_SHAPE, "shape [2]"},
    {"rope tokens",
     [](Leaves & l) {
         return ql_rope(&l.g, l.f32({4, 1, 3}), l.f32({4, 2}), QL_ROPE_NEOX);
     },
     QL_BAD_SHAPE, "rope: numbers of tokens"},
    {"rope n_rot",
     [](Leaves & l) {
         return ql_rope(&l.g, l.f32({4, 1, 3}), l.f32({6, 3}), QL_ROPE_NEOX);
     },
     QL_BAD_SHAPE, "no longer than a head"},
    {"rope mode",
     [](Leaves & l) {
         return ql_rope(&l.g, l.f32({4, 1, 3}), l.f32({4, 3}), static_cast<ql_rope_mode>(7));
     },
     QL_INVALID_ARGUMENT, "unknown mode 7"},
    {"attention heads",
     [](Leaves & l) {
         return ql_attention(&l.g, l.f32({4, 3, 5}), l.f32({4, 2, 5}), l.f32({4, 2, 5}), l.i32({2, 5}), 1);
     },
     QL_BAD_SHAPE, "attention: the heads of q"},
    {"attention v",
     [](Leaves & l) {
         return ql_attention(&l.g, l.f32({4, 2, 5}), l.f32({4, 2, 5}), l.f32({4, 2, 6}), l.i32({2, 5}), 1);
     },
     QL_BAD_SHAPE, "inputs 1 and 2 differ in shape"},
    {"attention span",
     [](Leaves & l) {
         return ql_attention(&l.g, l.f32({4, 2, 5}), l.f32({4, 2, 5}), l.f32({4, 2, 5}), l.i32({2, 4}), 1);
     },
     QL_BAD_SHAPE, "attention: input 3 must be of shape [2, 5]"},
    {"attention of four dimensions",
     [](Leaves & l) {
         return ql_attention(&l.g, l.f32({4, 2, 5}), l.f32({4, 2, 64, 3}), l.f32({4, 2, 64, 3}), l.i32({2, 5}), 1);
     },
     QL_BAD_SHAPE, "attention: k and v must be [d, H_kv, S]"},
    {"attention page",
     [](Leaves & l) {
         return ql_attention_paged(&l.g, l.f32({4, 2, 5}), l.f32({4, 2, 96, 3}), l.f32({4, 2, 96, 3}), l.i32({2, 5}),
                                   l.i32(3), 1);
     },
     QL_BAD_SHAPE, "attention: the keys of a page must be a power of two, 64 or more"},
    {"attention small page",
     [](Leaves & l) {
         return ql_attention_paged(&l.g, l.f32({4, 2, 5}), l.f32({4, 2, 32, 3}), l.f32({4, 2, 32, 3}), l.i32({2, 5}),
                                   l.i32(3), 1);
     },
     QL_BAD_SHAPE, "attention: the keys of a page must be a power of two, 64 or more"},
    {"attention table",
     [](Leaves & l) {
         return ql_attention_paged(&l.g, l.f32({4, 2, 5}), l.f32({4, 2, 64, 3}), l.f32({4, 2, 64, 3}), l.i32({2, 5}),
                                   l.i32({3, 2}), 1);
     },
     QL_BAD_SHAPE, "attention: input 4 must be of shape [3]"},
    {"attention table too long",
     [](Leaves & l) {
         return ql_attention_paged(&l.g, l.f32({4, 2, 5}), l.f32({4, 2, 64, 3}), l.f32({4, 2, 64, 3}), l.i32({2, 5}),
                                   l.i32(int64_t{1} << 26), 1);
     },
     QL_BAD_SHAPE, "attention: the table names more keys than a span can count"},
    {"kv_store kind",
     [](Leaves & l) {
         return ql_kv_store(&l.g, l.f32({4, 8}), l.f32({4, 2}), l.i32(2));
     },
     QL_INVALID_ARGUMENT, "kv_store: input 0 must be a state"},
    {"attention types",
     [](Leaves & l) {
         return ql_attention(&l.g, l.f32({4, 2, 5}), l.f16({4, 2, 5}), l.f32({4, 2, 5}), l.i32({2, 5}), 1);
     },
     QL_BAD_DTYPE, "attention: k and v differ in type"},
    {"attention of integers",
     [](Leaves & l) {
         return ql_attention(&l.g, l.f32({4, 2, 5}), l.i32({4, 2, 5}), l.i32({4, 2, 5}), l.i32({2, 5}), 1);
     },
     QL_BAD_DTYPE, "attention: input 1 must be f32 or f16, got 'ids' (i32 [4, 2, 5])"},
    {"kv_store of integers",
     [](Leaves & l) {
         return ql_kv_store(&l.g, l.i32({4, 8}), l.f32({4, 2}), l.i32(2));
     },
     QL_BAD_DTYPE, "kv_store: input 0 must be f32 or f16"},
    {"kv_store dimensions",
     [](Leaves & l) {
         return ql_kv_store(&l.g, l.state({4, 8, 2}), l.f32({4, 2}), l.i32(2));
     },
     QL_BAD_SHAPE, "kv_store: input 0 must be of two dimensions at most"},
    {"kv_store rows",
     [](Leaves & l) {
         return ql_kv_store(&l.g, l.state({4, 8}), l.f16({4, 2}), l.i32(2));
     },
     QL_BAD_DTYPE, "kv_store: input 1 must be f32"},
    {"kv_store width",
     [](Leaves & l) {
         return ql_kv_store(&l.g, l.state({4, 8}), l.f32({5, 2}), l.i32(2));
     },
     QL_BAD_SHAPE, "width"},
    {"swiglu",
     [](Leaves & l) {
         return ql_swiglu(&l.g, l.f32({4, 2}), l.f32({4, 3}));
     },
     QL_BAD_SHAPE, "swiglu: inputs 0 and 1 differ in shape"},
    {"head_loss targets",
     [](Leaves & l) {
         return ql_head_loss(&l.g, l.f32({4, 2}), l.f32({4, 9}), l.i32(3), l.f32(2), nullptr);
     },
     QL_BAD_SHAPE, "head_loss: input 2 must be of shape [2]"},
    {"head_loss own logits",
     [](Leaves & l) {
         return ql_head_loss_rows(&l.g, l.f32({4, 2}), l.f32({4, 9}), l.i32(2), l.f32(2), l.i32(3), l.f32({2, 2}), 0,
                                  nullptr);
     },
     QL_BAD_SHAPE, "head_loss: input 5 must be of shape [3, 2]"},
    {"head_loss inner",
     [](Leaves & l) {
         return ql_head_loss(&l.g, l.f32({4, 2}), l.f32({5, 9}), l.i32(2), l.f32(2), nullptr);
     },
     QL_BAD_SHAPE, "inner sizes differ"},
    {"accumulate kind", [](Leaves & l) { return ql_accumulate(&l.g, l.f32(4), l.f32(4)); }, QL_INVALID_ARGUMENT,
     "accumulate: input 0 must be a state"},
    {"zero kind", [](Leaves & l) { return ql_zero(&l.g, l.f32(4)); }, QL_INVALID_ARGUMENT,
     "zero: input 0 must be a state"},
    {"global_norm none", [](Leaves & l) { return ql_global_norm(&l.g, nullptr, 0); }, QL_INVALID_ARGUMENT,
     "global_norm: no tensors"},
    {"foreign",
     [](Leaves & l) {
         static Leaves other;
         return ql_swiglu(&l.g, l.f32(4), other.f32(4));
     },
     QL_INVALID_ARGUMENT, "belongs to another graph"},
    {"leaf size",
     [](Leaves & l) {
         return l.f32({4, 0});
     },
     QL_BAD_SHAPE, "size 0 along dimension 1"},
    {"leaf block",
     [](Leaves & l) {
         return l.weight({33, 2}, QL_Q8_0);
     },
     QL_BAD_SHAPE, "q8_0's block of 32"},
    {"input type",
     [](Leaves & l) {
         const int64_t ne = 64;
         return ql_input(&l.g, "x", QL_NF4, 1, &ne);
     },
     QL_BAD_DTYPE, "input 'x': type nf4"},
};

TEST(ShapeRules, RefuseWhatDoesNotFit) {
    for (const Refusal & r : kRefusals) expect_refusal(r);
}

TEST(ShapeRules, KeepTheFirstErrorThroughNestedBuilders) {
    Leaves l;
    Tensor * y = ql_swiglu(&l.g, ql_mul_mat(&l.g, l.f32({4, 3}), l.f32({5, 2})), l.f32(3));
    EXPECT_EQ(y, nullptr);
    EXPECT_EQ(ql_graph_status(&l.g), QL_BAD_SHAPE);
    EXPECT_NE(std::string(ql_error_message()).find("mul_mat: inner sizes differ"), std::string::npos);
}

TEST(ShapeRules, ViewOfAStateIsAState) {
    Leaves l;
    const int64_t ne[] = {2, 6};
    EXPECT_NE(ql_zero(&l.g, ql_reshape(&l.g, l.state({4, 3}), 2, ne)), nullptr);
}

TEST(Graph, GettersDescribeTensors) {
    Leaves l;
    Tensor * t = ql_tensor_set_name(l.f32({4, 3}), "blk.0");
    EXPECT_STREQ(ql_tensor_name(t), "blk.0");
    EXPECT_EQ(ql_tensor_dtype(t), QL_F32);
    EXPECT_EQ(ql_tensor_ne(t, 1), 3);
    EXPECT_EQ(ql_tensor_ne(t, 9), 1);
    EXPECT_EQ(ql_tensor_elements(t), 12);
    EXPECT_EQ(ql_tensor_bytes(t), 48u);
    EXPECT_STREQ(ql_tensor_name(nullptr), "");
    EXPECT_EQ(ql_add(nullptr, t, t), nullptr);
    EXPECT_EQ(ql_graph_create(nullptr), QL_INVALID_ARGUMENT);
}

TEST(Graph, CreatesAndFrees) {
    ql_graph * g = nullptr;
    ASSERT_EQ(ql_graph_create(&g), QL_OK);
    const int64_t ne[] = {5, 2};
    Tensor * y = ql_add(g, ql_param(g, "a", 2, ne), ql_input(g, "b", QL_F32, 2, ne));
    ASSERT_NE(y, nullptr);
    EXPECT_EQ(ql_graph_n_nodes(g), 1);
    EXPECT_EQ(ql_graph_status(g), QL_OK);
    ql_graph_free(g);
    ql_graph_free(nullptr);
}

}  // namespace
}  // namespace ql::test
