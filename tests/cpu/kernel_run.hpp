// One kernel of the CPU backend on memory that a test fills as it likes, launched as the plan would launch it.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backends/cpu/device.hpp"
#include "backends/cpu/targets.hpp"
#include "support/reference_run.hpp"

namespace ql::cpu {

inline const Kernel & kernel_of(const OpDef & def) {
    static const Kernel * const table[] = {
#define QL_OP(name) &kernel::name,
#include "ggml/ops/ops.def"
    };
    return *table[op_index(&def)];
}

/// Instruction sets of Highway kernels that this machine can run.
inline std::vector<Isa> kernel_isas() {
#if defined(__aarch64__)
    return {Isa::neon};
#else
    std::vector<Isa> list;
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
        if (isa <= best_isa()) list.push_back(isa);
    return list;
#endif
}

struct KernelRun {
    test::CaseGraph graph;
    test::ReferenceRun<float> memory;

    KernelRun(const OpDef & def, const Case & c, uint64_t seed = 1) : graph(def, c, seed), memory(graph.graph) {
        memory.fill(graph, seed);
    }
    const Node & node() const { return *graph.out->producer; }
    const Operand * source(size_t i) const { return node().src[i]; }
    float * in(size_t i) { return memory.reals(source(i)); }
    int32_t * ints(size_t i) { return static_cast<int32_t *>(memory.data(source(i))); }
    std::vector<float> out(size_t i) { return memory.values(node().out[i]); }

    /// Scratch holds NaN before the run; all threads share one device's pool.
    Status launch(CpuDevice & cpu) { return launch(cpu, kernel_of(*node().def)); }
    Status launch(CpuDevice & cpu, const Kernel & kernel) {
        std::vector<const void *> src;
        std::vector<void *> results;
        for (const Operand * t : node().src) src.push_back(memory.data(t));
        for (const Operand * t : node().out) results.push_back(memory.data(t));
        const size_t bytes = kernel.scratch ? kernel.scratch(node(), cpu) : 0;
        const test::AlignedBytes work(bytes);
        std::memset(work.data(), 0xff, bytes);
        return kernel.launch({node(), src.data(), results.data(), static_cast<std::byte *>(work.data()), cpu});
    }
    void launch(Isa isa, int threads) {
        limit_targets(isa);
        CpuDevice cpu(isa, threads, false);
        const Status status = launch(cpu);
        ASSERT_TRUE(status.ok()) << status.message();
    }
    void reference() { memory.run(); }
};

/// True if two lists hold the same bits.
inline bool same_bits(const std::vector<float> & a, const std::vector<float> & b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Against the reference in f64, and the same bits for 1, 2, 3 and 8 threads.
void expect_conforms(const OpDef & def, const Case & c, Isa isa, double tolerance);

}  // namespace ql::cpu
