// Every operator's kernel on every instruction set of this machine: against the reference, and the same bits for any
// number of threads.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>

#include "backends/cpu/isa.hpp"
#include "cpu/larger_cases.hpp"
#include "support/conformance.hpp"

namespace ql::cpu {
extern const Backend kCpuBackend;
namespace {

using test::Conformance;
using test::OpenDevice;

/// A path that the CPU backend can take: an instruction set, and for products f32, bf16 or integers, beside which
/// others are of bf16, too.
struct Path {
    Isa isa;
    bool bf16;
    ql_compute integers = QL_COMPUTE_AUTO;  // QL_COMPUTE_INT8 or INT16, or none
    std::string name() const {
        return std::string(isa_name(isa)) + (integers == QL_COMPUTE_INT8    ? "_int8"
                                             : integers == QL_COMPUTE_INT16 ? "_int16"
                                             : isa == Isa::avx512_bf16      ? bf16 ? "_bf16" : "_f32"
                                                                            : "");
    }
    friend void PrintTo(const Path & path, std::ostream * out) { *out << path.name(); }
};

std::vector<Path> paths() {
    std::vector<Path> list;
#if defined(__aarch64__)
    for (const Isa isa : {Isa::scalar, Isa::neon}) list.push_back({isa, false});
#else
    for (const Isa isa : {Isa::scalar, Isa::baseline, Isa::avx2, Isa::avx512})
        if (isa <= best_isa()) list.push_back({isa, false});
#endif
    for (const Isa isa : {Isa::avx512_bf16, Isa::amx})
        if (isa <= best_isa() && best_isa() != Isa::neon) list.push_back({isa, true});
    return list;
}

/// Those of integers, which most operators do not know.
std::vector<Path> integer_paths() {
    std::vector<Path> list;
    for (const Path & path : paths())
        if (path.bf16)
            list.push_back({path.isa, bf16_is_fast(path.isa), QL_COMPUTE_INT8});
        else if (path.isa != Isa::scalar)
            list.insert(list.end(), {{path.isa, false, QL_COMPUTE_INT8}, {path.isa, false, QL_COMPUTE_INT16}});
    return list;
}
std::vector<const OpDef *> integer_operators() {
    std::vector<const OpDef *> list;
    std::copy_if(std::begin(kOps), std::end(kOps), std::back_inserter(list),
                 [](const OpDef * def) { return selftest::multiplies_frozen_weights(*def); });
    return list;
}

std::unique_ptr<OpenDevice> open_path(const Path & path, int threads) {
    setenv("QL_ISA", isa_name(path.isa), 1);
    ql_device_options options;
    ql_device_options_init(&options);
    options.threads = threads;
    options.compute = path.integers != QL_COMPUTE_AUTO ? path.integers : path.bf16 ? QL_COMPUTE_BF16 : QL_COMPUTE_F32;
    auto device = std::make_unique<OpenDevice>(kCpuBackend, options);
    unsetenv("QL_ISA");
    return device;
}

class CpuConformance : public testing::TestWithParam<std::tuple<const OpDef *, Path>> {
  protected:
    const OpDef & def() const { return *std::get<0>(GetParam()); }
    const Path & path() const { return std::get<1>(GetParam()); }
    std::vector<Case> cases() const {
        std::vector<Case> list = def().cases();
        if (path().isa != Isa::scalar)
            for (Case & c : larger_cases(def())) list.push_back(std::move(c));
        return list;
    }
};

void expect_agreement(const OpenDevice & device, Conformance & conformance, double limit) {
    for (const bool reuse : {false, true}) {
        if (reuse && !conformance.can_reuse()) continue;
        const auto got = conformance.run(device, reuse);
        for (size_t i = 0; i < got.size(); ++i)
            EXPECT_LE(test::nmse(got[i], conformance.wanted(i)), limit)
                << "result " << i << (reuse ? ", in place" : "");
    }
}

TEST_P(CpuConformance, AgreesWithReference) {
    const auto device = open_path(path(), 2);
    const double limit = selftest::conformance_limit(def(), device->caps);
    for (const Case & c : cases()) {
        SCOPED_TRACE(c.name);
        Conformance conformance(def(), c, 42);
        expect_agreement(*device, conformance, limit);
    }
}

TEST_P(CpuConformance, AgreesWithReferenceOnTensorsOfBf16) {
    const Kernel & kernel = *kCpuBackend.kernels[op_index(&def())];
    if (!path().bf16 || (!kernel.reads_bf16 && !kernel.writes_bf16)) return;
    const auto device = open_path(path(), 2);
    int n = 0;
    for (const Case & c : cases()) {
        SCOPED_TRACE(c.name);
        Conformance conformance(def(), c, 44, &kernel);
        if (!conformance.narrows()) continue;
        expect_agreement(*device, conformance, selftest::conformance_limit(def(), device->caps, true));
        ++n;
    }
    EXPECT_GT(n, 0) << "no case has rows that can be held in bf16";
}

TEST_P(CpuConformance, GivesTheSameBitsForAnyNumberOfThreads) {
    const auto one = open_path(path(), 1);
    std::map<int, std::unique_ptr<OpenDevice>> several;
    for (const int threads : {2, 3, 8}) several[threads] = open_path(path(), threads);
    const Kernel * kernel = path().bf16 ? kCpuBackend.kernels[op_index(&def())] : nullptr;
    for (const Case & c : cases()) {
        SCOPED_TRACE(c.name);
        for (const Kernel * narrow_for : {static_cast<const Kernel *>(nullptr), kernel}) {
            const Conformance conformance(def(), c, 43, narrow_for);
            if (narrow_for && !conformance.narrows()) continue;
            const auto expected = conformance.run(*one, false);
            for (const auto & [threads, device] : several) {
                const auto got = conformance.run(*device, false);
                for (size_t i = 0; i < got.size(); ++i)
                    EXPECT_EQ(0, std::memcmp(got[i].data(), expected[i].data(), got[i].size() * sizeof(float)))
                        << "result " << i << ", " << threads << " threads";
            }
            if (!kernel) break;  // both turns are the same
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, CpuConformance,
                         testing::Combine(testing::ValuesIn(std::begin(kOps), std::end(kOps)),
                                          testing::ValuesIn(paths())),
                         [](const auto & info) {
                             return std::string(std::get<0>(info.param)->name) + "_" + std::get<1>(info.param).name();
                         });

INSTANTIATE_TEST_SUITE_P(CpuIntegers, CpuConformance,
                         testing::Combine(testing::ValuesIn(integer_operators()), testing::ValuesIn(integer_paths())),
                         [](const auto & info) {
                             return std::string(std::get<0>(info.param)->name) + "_" + std::get<1>(info.param).name();
                         });

}  // namespace
}  // namespace ql::cpu
