// Names of weights in GGUF files: a layer's, a linear's, a bias's.
#include "models/files/weight_names.hpp"

#include <gtest/gtest.h>

namespace ql::test {
namespace {

TEST(WeightNames, SayWhichLayerAndLinear) {
    EXPECT_EQ(linear_weight(12, "attn_q"), "blk.12.attn_q.weight");
    EXPECT_EQ(linear_of(linear_weight(12, "attn_q")), "attn_q");
    EXPECT_EQ(layer_of(linear_weight(12, "attn_q")), 12);
    for (const char * name : {"", "blk.", "blk.weight", "token_embd.weight", "blk.0.attn_q.bias", "attn_q.weight"})
        EXPECT_EQ(linear_of(name), "") << name;
    for (const char * name : {"", "blk.", "blk.x.attn_q.weight", "token_embd.weight"})
        EXPECT_EQ(layer_of(name), -1) << name;
}

TEST(WeightNames, AWeightNamesItsScales) {
    EXPECT_EQ(scale_of("blk.0.attn_q.weight"), "blk.0.attn_q.scale");
    EXPECT_EQ(input_scale_of("blk.0.attn_q.weight"), "blk.0.attn_q.input_scale");
    EXPECT_EQ(scale_of("output.weight"), "output.scale");
}

TEST(WeightNames, AWeightAndItsBiasNameEachOther) {
    EXPECT_EQ(bias_of("blk.0.attn_q.weight"), "blk.0.attn_q.bias");
    EXPECT_EQ(weight_of("blk.0.attn_q.bias"), "blk.0.attn_q.weight");
    EXPECT_EQ(weight_of("blk.0.attn_q.weight"), "blk.0.attn_q.weight");
}

}  // namespace
}  // namespace ql::test
