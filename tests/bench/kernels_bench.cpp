// Speed of the CPU backend's operators other than products, at the shapes of SmolLM2-135M, beside what the processor
// could do at most, measured in the same run. The least time of many repetitions: other programs may be running.
//
//     ql_bench_kernels [isa [threads [name]]]      "all" and 0: every instruction set of this machine, 1 and 2 threads;
//                                                  name: only lines that begin with it
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "backends/cpu/device.hpp"
#include "backends/cpu/targets.hpp"
#include "bench/peak.hpp"
#include "ggml/backend/backend.hpp"
#include "ggml/ops/params.hpp"
#include "support/reference_run.hpp"

namespace ql::cpu {
namespace {

using test::AlignedBytes;

const Kernel * const * kernel_table() {
    static const Kernel * const table[] = {
#define QL_OP(name) &kernel::name,
#include "ggml/ops/ops.def"
    };
    return table;
}

/// What the wanted lines begin with.
std::string only;
bool wanted(const std::string & what) {
    return what.starts_with(only);
}

/// An operator on a case's values, as the plan would launch it. Sources are filled without running references.
struct Bench {
    test::CaseGraph graph;
    test::ReferenceRun<float> memory;
    CpuDevice & cpu;

    Bench(CpuDevice & device, const OpDef & def, const Case & c) : graph(def, c, 1), memory(graph.graph), cpu(device) {
        memory.fill(graph, 1);
    }
    const Node & node() const { return *graph.out->producer; }

    /// The last query sees the last key, each query before it ends one key earlier; none sees more than `window` keys.
    /// Returns how many keys all queries see together.
    double set_span(int source, int64_t window) {
        const Operand & span = *node().src[static_cast<size_t>(source)];
        const int64_t n_keys = node().src[1]->ne(2), n = span.ne(1);
        std::vector<int32_t> v;
        double seen = 0;
        for (int64_t end = n_keys - n + 1; end <= n_keys; ++end) {
            const int64_t begin = std::max<int64_t>(0, end - window);
            v.insert(v.end(), {static_cast<int32_t>(begin), static_cast<int32_t>(end)});
            seen += static_cast<double>(end - begin);
        }
        memory.set(&span, v);
        return seen;
    }

    /// For one thread, its own time on the processor, which other programs disturb less.
    double now() const {
        if (cpu.pool.threads() > 1)
            return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
        timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
    }

    double seconds() {
        const Kernel & kernel = *kernel_table()[op_index(node().def)];
        std::vector<const void *> src;
        std::vector<void *> out;
        for (const Operand * t : node().src) src.push_back(memory.data(t));
        for (const Operand * t : node().out) out.push_back(memory.data(t));
        const AlignedBytes scratch(kernel.scratch ? kernel.scratch(node(), cpu) : 0);
        const Launch launch{node(), src.data(), out.data(), static_cast<std::byte *>(scratch.data()), cpu};
        double best = 1e9;
        const double stop = now() + 0.3;
        for (int i = 0; i < 5 || (i < 5000 && now() < stop); ++i) {
            const double start = now();
            (void)kernel.launch(launch);
            best = std::min(best, now() - start);
        }
        return best;
    }
};

void report_flops(const char * what, double seconds, double flops, double peak) {
    std::printf("  %-42s %9.4f ms  %7.1f GFLOP/s  %3.0f %% of peak\n", what, 1e3 * seconds, 1e-9 * flops / seconds,
                1e-7 * flops / seconds / peak);
}

void report_bytes(const char * what, double seconds, double bytes) {
    std::printf("  %-42s %9.4f ms  %7.1f GB/s\n", what, 1e3 * seconds, 1e-9 * bytes / seconds);
}

constexpr int64_t kNoWindow = int64_t{1} << 30;

Case attention_case(int64_t d, int64_t heads, int64_t kv, int64_t tokens, int64_t keys) {
    return {"attention",
            {param_in({d, heads, tokens}), param_in({d, kv, keys}), param_in({d, kv, keys}),
             ints_in({2, tokens}, Fill::zero)},
            AttentionParams{0.125f}};
}

void bench_attention(CpuDevice & cpu, int64_t d, int64_t heads, int64_t kv, int64_t tokens, double peak,
                     int64_t window = kNoWindow) {
    char name[80];
    const auto shape = [&](const char * op) {
        const int n = std::snprintf(name, sizeof(name), "%s d %d H %d/%d T %d", op, static_cast<int>(d),
                                    static_cast<int>(heads), static_cast<int>(kv), static_cast<int>(tokens));
        if (window < tokens)
            std::snprintf(name + n, sizeof(name) - static_cast<size_t>(n), " in %d", static_cast<int>(window));
        return name;
    };
    Bench forward(cpu, op::attention, attention_case(d, heads, kv, tokens, tokens));
    const double pairs = forward.set_span(3, window) * static_cast<double>(heads * d);
    if (wanted(shape("attention"))) report_flops(name, forward.seconds(), 4 * pairs, peak);
    if (!wanted(shape("attention_back"))) return;

    const Shape q(d, heads, tokens), k(d, kv, tokens);
    Bench back(cpu, op::attention_back,
               {"back",
                {data_in(q), data_in(k), data_in(k), data_in(q), data_in({heads, tokens}), data_in(q),
                 ints_in({2, tokens}, Fill::zero)},
                AttentionParams{0.125f}});
    (void)back.set_span(6, window);
    const std::vector<float> lse(static_cast<size_t>(heads * tokens), 5.0f);
    back.memory.set(back.node().src[4], lse);
    report_flops(name, back.seconds(), 10 * pairs, peak);
}

/// Measures `tokens` queries on a cache of `keys` keys, of which each query sees at most `window`.
void bench_cache(CpuDevice & cpu, int64_t tokens, int64_t keys, double peak, int64_t window = kNoWindow) {
    char name[80];
    std::snprintf(name, sizeof(name), "attention of %d token%s, %d of %d keys", static_cast<int>(tokens),
                  tokens == 1 ? "" : "s", static_cast<int>(std::min(window, keys)), static_cast<int>(keys));
    if (!wanted(name)) return;
    Bench bench(cpu, op::attention, attention_case(64, 9, 3, tokens, keys));
    const double seen = bench.set_span(3, window);
    if (tokens == 1)
        report_bytes(name, bench.seconds(), 2.0 * 64 * 3 * 4 * seen);
    else
        report_flops(name, bench.seconds(), 4.0 * 64 * 9 * seen, peak);
}

/// Every operator of the table that is not made of products, at the size of its own benchmark, by the bytes that it
/// reads and writes once.
void bench_streams(CpuDevice & cpu, const BenchSize & size) {
    for (const OpDef * def : kOps) {
        const std::string what = std::string(def->name) + " " + std::to_string(size.k) + " x " +
                                 std::to_string(size.m) + ", T " + std::to_string(size.t);
        if (def->products || def->view || !wanted(what)) continue;
        Bench bench(cpu, *def, def->bench(size).value());
        double bytes = 0;
        for (const Operand * t : bench.node().src) bytes += static_cast<double>(t->bytes());
        for (const Operand * t : bench.node().out) bytes += static_cast<double>(t->bytes());
        report_bytes(what.c_str(), bench.seconds(), bytes);
    }
}

void bench_isa(Isa isa, int threads) {
    limit_targets(isa);
    CpuDevice cpu(isa, threads, false);
    const double peak = peak_gflops(cpu.pool, false);
    std::printf("%s, %d threads: peak %.0f GFLOP/s of f32, read %.1f GB/s\n", isa_name(isa), threads, peak,
                peak_read(cpu.pool));
    bench_attention(cpu, 64, 9, 3, 512, peak);
    bench_attention(cpu, 64, 9, 9, 512, peak);
    bench_attention(cpu, 128, 8, 2, 1024, peak);
    bench_attention(cpu, 64, 9, 3, 4096, peak);
    bench_attention(cpu, 64, 9, 3, 4096, peak, 512);
    bench_cache(cpu, 1, 512, peak);
    bench_cache(cpu, 1, 8192, peak);
    bench_cache(cpu, 1, 8192, peak, 512);
    bench_cache(cpu, 128, 512, peak);
    bench_cache(cpu, 128, 8192, peak);
    bench_cache(cpu, 128, 8192, peak, 512);
    bench_streams(cpu, {QL_F32, 576, 8192, 512});
}

}  // namespace
}  // namespace ql::cpu

int main(int argc, char ** argv) {
    using namespace ql::cpu;
    const std::string isa = argc > 1 ? argv[1] : "all";
    const int threads = argc > 2 ? std::atoi(argv[2]) : 0;
    if (argc > 3) only = argv[3];
    for (const Isa path : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::neon}) {
        if (path > best_isa() || (path == Isa::baseline && isa == "all" && best_isa() != path)) continue;
        if (isa != "all" && isa != isa_name(path)) continue;
        for (const int n : {1, 2})
            if (threads == 0 || threads == n) bench_isa(path, n);
    }
}
