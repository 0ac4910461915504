// The kernel of lora_merge gives the scalar codec's bytes, whatever the instruction set and the number of threads: a
// program that merges into a file must come to the same.
#include <gtest/gtest.h>

#include <cmath>

#include "cpu/kernel_run.hpp"
#include "ggml/dtypes/dither.hpp"
#include "ggml/dtypes/nf4_dq.hpp"
#include "ggml/ops/lora_merge_params.hpp"
#include "ql/ops.h"

namespace ql::cpu {
namespace {

class LoraMerge : public testing::TestWithParam<Isa> {
  protected:
    static Case make(int64_t k, int64_t m, int64_t r, ql_dtype merged, ql_dtype w, bool dithers = false) {
        return {"",
                {cache_in({k, m}, merged), frozen_in({k, m}, w), param_in({k, r}), param_in({r, m}, Fill::small)},
                LoraMergeParams{0.6f, dithers, 77}};
    }
    static std::vector<std::byte> bytes(KernelRun & run) {
        const auto * at = static_cast<const std::byte *>(run.memory.data(run.source(0)));
        return {at, at + run.source(0)->bytes()};
    }
    static void expect_same(const Case & c) {
        KernelRun reference(op::lora_merge, c);
        reference.reference();
        const std::vector<std::byte> want = bytes(reference);
        for (const int threads : {1, 2, 3}) {
            KernelRun run(op::lora_merge, c);
            std::memset(run.memory.data(run.source(0)), 0xa5, want.size());  // no byte stays what it was
            run.launch(GetParam(), threads);
            EXPECT_EQ(bytes(run), want) << threads << " threads";
        }
    }
};

TEST_P(LoraMerge, GivesTheBytesOfTheCodecForEveryTypeAndAnyThreads) {
    for (const DTypeDef & type : all_dtypes()) {
        if (type.holds != Holds::weights || !type.encode) continue;
        SCOPED_TRACE(type.name);
        expect_same(make(5 * type.block_length, 131, 3, type.id, QL_F32));
        expect_same(make(type.block_length == 256 ? 768 : 576, 67, 17, type.id, QL_Q4_0));
    }
}

TEST_P(LoraMerge, GivesTheDitheredBytesOfTheCodec) {
    for (const DTypeDef & type : all_dtypes()) {
        if (!find_dither(type.id)) continue;
        SCOPED_TRACE(type.name);
        expect_same(make(5 * type.block_length, 131, 3, type.id, QL_F32, true));
        expect_same(make(type.block_length == 256 ? 768 : 576, 67, 17, type.id, type.id, true));
    }
}

TEST_P(LoraMerge, DecodesAWeightOfAnyType) {
    for (const DTypeDef & type : all_dtypes()) {
        if (type.holds != Holds::weights) continue;
        SCOPED_TRACE(type.name);
        expect_same(make(3 * std::max<int64_t>(type.block_length, 32), 33, 2, QL_Q8_0, type.id));
    }
}

/// Groups of double quantisation span rows: 300 blocks a row.
TEST_P(LoraMerge, GroupsOfTheWholeTensorAreTheCodecs) {
    expect_same(make(300 * 64, 7, 2, QL_NF4_DQ, QL_F32));
    expect_same(make(64, 1, 1, QL_NF4_DQ, QL_F32));
}

/// Two rows cannot be encoded; the message names the first whatever thread meets the other one earlier.
TEST_P(LoraMerge, RefusesWhatIsNoNumberAndNamesTheFirstRow) {
    for (const ql_dtype dtype : {QL_NF4, QL_NF4_DQ, QL_Q4_0, QL_Q8_0}) {
        KernelRun run(op::lora_merge, make(576, 300, 3, dtype, QL_F32));
        run.in(3)[3 * 290] = INFINITY;
        run.in(3)[3 * 41 + 2] = NAN;
        for (const int threads : {1, 3}) {
            limit_targets(GetParam());
            CpuDevice cpu(GetParam(), threads, false);
            const Status status = run.launch(cpu);
            EXPECT_EQ(status.code(), QL_NON_FINITE);
            EXPECT_NE(status.message().find("row 41:"), std::string::npos) << status.message();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Isas, LoraMerge, testing::ValuesIn(kernel_isas()),
                         [](const auto & info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace ql::cpu
