// Which bf16 kernels a device has.
#include <gtest/gtest.h>

#include "backends/cpu/device.hpp"

namespace ql::cpu {
namespace {

TEST(Bf16Kernels, AreTheBestOfAnInstructionSetOnADeviceThatComputesInBf16) {
    if (!bf16_kernels(Isa::amx)) GTEST_SKIP() << "this build has none";
    for (const Isa isa : {Isa::amx, Isa::avx512_bf16}) {
        EXPECT_EQ(bf16_kernels(isa)->isa, isa);
        EXPECT_EQ(CpuDevice(isa, 1, true).bf16, bf16_kernels(isa));
        EXPECT_EQ(CpuDevice(isa, 1, false).bf16, nullptr);
    }
    for (const Isa isa : {Isa::scalar, Isa::baseline, Isa::avx2, Isa::avx512, Isa::neon})
        EXPECT_EQ(bf16_kernels(isa), nullptr) << isa_name(isa);
}

}  // namespace
}  // namespace ql::cpu
