// Speed of the CPU backend's products beside what the processor could do at most, measured in the same run.
//
//     ql_bench_products [isa] [threads]      all paths of this machine, 1 and 2 threads, unless named
//
// The least time of many repetitions: other programs may be running. Products in GFLOP/s, few tokens in GB/s of weight.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/products/gemv.hpp"
#include "backends/cpu/products/product.hpp"
#include "backends/cpu/targets.hpp"
#include "bench/peak.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/graph/graph.hpp"
#include "ggml/ops/params.hpp"
#include "support/reference_run.hpp"

namespace ql::cpu {
namespace {

using test::AlignedBytes;

double best_seconds(const Pool & pool, const std::function<void()> & f) {
    using clock = std::chrono::steady_clock;
    double best = 1e9;
    const auto stop = clock::now() + std::chrono::milliseconds(400);
    for (int i = 0; i < 5 || (i < 2000 && clock::now() < stop); ++i) {
        const Stopwatch watch(pool);
        f();
        best = std::min(best, watch.seconds());
    }
    return best;
}

std::vector<float> random_floats(int64_t n, float size) {
    static std::minstd_rand random(1);
    std::uniform_real_distribution<float> uniform(-size, size);
    std::vector<float> v(static_cast<size_t>(n));
    for (float & x : v) x = uniform(random);
    return v;
}

AlignedBytes random_weight(ql_dtype dtype, int64_t n) {
    AlignedBytes bytes(ql_dtype_bytes(dtype, n));
    const auto values = random_floats(n, 0.05f);
    if (Status s = find_dtype(dtype)->encode(values.data(), n, bytes.data()); !s.ok()) std::exit(1);
    return bytes;
}

void bench_product(CpuDevice & cpu, ql_dtype dtype, Side side, int64_t tokens, int64_t m, int64_t k, double peak) {
    const AlignedBytes w = random_weight(dtype, k * m);
    const auto a = random_floats((side == Side::forward ? k : m) * tokens, 1);
    const Product p{{dtype, w.data(), k, m}, side, a.data()};
    std::vector<float> c(static_cast<size_t>(p.columns() * tokens));
    const ProductSum sum{{&p, 1}, tokens, c.data()};
    const AlignedBytes scratch(product_scratch(sum, cpu));
    const double t = best_seconds(cpu.pool, [&] { multiply(cpu, sum, static_cast<std::byte *>(scratch.data())); });
    const double rate = 2e-9 * static_cast<double>(tokens * m * k) / t;
    std::printf("  %-8s %s %4lld x %5lld x %5lld  %7.1f GFLOP/s  %3.0f %% of peak\n", ql_dtype_name(dtype),
                side == Side::forward ? "y = W x  " : "z = W^T y", static_cast<long long>(tokens),
                static_cast<long long>(m), static_cast<long long>(k), rate, 100 * rate / peak);
}

void bench_gemv(CpuDevice & cpu, ql_dtype dtype, int64_t m, int64_t k, double read) {
    static std::map<std::tuple<ql_dtype, int64_t, int64_t>, AlignedBytes> weights;
    AlignedBytes & w = weights[{dtype, m, k}];
    if (!w.data()) w = random_weight(dtype, k * m);
    const auto x = random_floats(k, 1);
    std::vector<float> y(static_cast<size_t>(m));
    const Product p{{dtype, w.data(), k, m}, Side::forward, x.data()};
    const ProductSum sum{{&p, 1}, 1, y.data()};
    const AlignedBytes scratch(gemv_scratch(sum, cpu));
    const double t = best_seconds(cpu.pool, [&] { gemv(cpu, sum, static_cast<std::byte *>(scratch.data())); });
    const double rate = 1e-9 * static_cast<double>(ql_dtype_bytes(dtype, k * m)) / t;
    std::printf("  %-8s one token, %lld x %lld  %6.2f GB/s  %3.0f %% of a read  %6.2f Gweights/s\n",
                ql_dtype_name(dtype), static_cast<long long>(m), static_cast<long long>(k), rate, 100 * rate / read,
                1e-9 * static_cast<double>(m * k) / t);
}

/// An operator as the plan would launch it.
void bench_op(CpuDevice & cpu, const OpDef & def, const Case & c, const Kernel & kernel, const char * what) {
    test::CaseGraph graph(def, c, 1);
    test::ReferenceRun<float> memory(graph.graph);
    memory.fill(graph, 1);
    const Node & node = *graph.out->producer;
    std::vector<const void *> src;
    std::vector<void *> out;
    for (const Operand * t : node.src) src.push_back(memory.data(t));
    for (const Operand * t : node.out) out.push_back(memory.data(t));
    const AlignedBytes scratch(kernel.scratch ? kernel.scratch(node, cpu) : 0);
    const Launch launch{node, src.data(), out.data(), static_cast<std::byte *>(scratch.data()), cpu};
    const double t = best_seconds(cpu.pool, [&] { (void)kernel.launch(launch); });
    std::printf("  %-36s %8.3f ms  %7.1f GFLOP/s\n", what, t * 1e3, 1e-9 * def.flops(node) / t);
}

Case head_case(int64_t tokens, int64_t n, int64_t vocabulary) {
    return {"head",
            {param_in({n, tokens}), frozen_in({n, vocabulary}, QL_Q8_0, Fill::small),
             ints_in(tokens, Fill::ids, vocabulary), data_in(tokens, Fill::positive), data_in(1, Fill::positive)},
            {}};
}

Case lora_case(int64_t tokens, int64_t k, int64_t m, int64_t r) {
    return {
        "lora", {param_in({m, tokens}), param_in({k, tokens}), param_in({k, r}), param_in({r, m})}, LoraParams{0.5f}};
}

Case lora_back_case(int64_t tokens, int64_t k, int64_t m, int64_t r) {
    return {"lora_back",
            {data_in({m, tokens}), data_in({k, tokens}), data_in({r, tokens}), param_in({k, r}), param_in({r, m})},
            LoraParams{0.5f}};
}

void bench_path(Isa isa, bool bf16, int threads, const std::string & only) {
    limit_targets(isa);
    CpuDevice cpu(isa, threads, bf16);
    const double peak = peak_gflops(cpu.pool, bf16), read = peak_read(cpu.pool);
    std::printf("%s, products in %s, %d threads: peak %.0f GFLOP/s, read %.1f GB/s\n", isa_name(isa),
                bf16 ? "bf16" : "f32", threads, peak, read);
    const auto wanted = [&](const char * part) { return only.empty() || only == part; };
    const int64_t shapes[][3] = {{512, 1536, 576}, {512, 576, 1536}, {512, 576, 576}, {512, 2048, 2048}};
    if (wanted("product"))
        for (const ql_dtype dtype : {QL_NF4_DQ, QL_Q8_0})
            for (const Side side : {Side::forward, Side::backward})
                for (const auto & s : shapes) bench_product(cpu, dtype, side, s[0], s[1], s[2], peak);
    if (wanted("small"))
        for (const ql_dtype dtype : {QL_NF4_DQ, QL_Q8_0})
            for (const int64_t tokens : {1, 2, 4, 6, 8, 16, 32, 64, 128}) {
                bench_product(cpu, dtype, Side::forward, tokens, 1536, 576, peak);
                bench_product(cpu, dtype, Side::backward, tokens, 1536, 576, peak);
            }
    if (wanted("gemv"))
        for (const ql_dtype dtype : {QL_NF4_DQ, QL_NF4, QL_Q8_0, QL_Q4_0, QL_Q4_1, QL_F16})
            for (const auto & [m, k] :
                 std::vector<std::pair<int64_t, int64_t>>{{49152, 576}, {262144, 576}, {65536, 2048}})
                bench_gemv(cpu, dtype, m, k, read);
    if (wanted("lora")) {
        bench_op(cpu, op::lora, lora_case(512, 576, 1536, 8), kernel::lora, "lora 576 -> 1536 r 8, 512 tokens");
        bench_op(cpu, op::lora, lora_case(512, 1536, 576, 8), kernel::lora, "lora 1536 -> 576 r 8, 512 tokens");
        bench_op(cpu, op::lora, lora_case(512, 576, 1536, 64), kernel::lora, "lora 576 -> 1536 r 64, 512 tokens");
        bench_op(cpu, op::lora_back, lora_back_case(512, 576, 1536, 8), kernel::lora_back, "lora_back 576 -> 1536 r 8");
        bench_op(cpu, op::lora_back, lora_back_case(512, 1536, 576, 8), kernel::lora_back, "lora_back 1536 -> 576 r 8");
        bench_op(cpu, op::lora_back, lora_back_case(512, 576, 1536, 64), kernel::lora_back,
                 "lora_back 576 -> 1536 r 64");
        const Case dx{"dx", {frozen_in({576, 8}), param_in({8, 512})}, {}};
        bench_op(cpu, op::mul_mat_t, dx, kernel::mul_mat_t, "mul_mat_t of A, 576 r 8");
    }
    if (wanted("head")) {
        Case forward = head_case(512, 576, 49152);
        forward.in.pop_back();
        bench_op(cpu, op::head_loss, forward, kernel::head_loss, "head_loss 512 x 49152 x 576 q8_0");
        bench_op(cpu, op::head_loss_back, head_case(512, 576, 49152), kernel::head_loss_back, "head_loss_back");
    }
}

}  // namespace
}  // namespace ql::cpu

int main(int argc, char ** argv) {
    using namespace ql::cpu;
    const std::string isa = argc > 1 ? argv[1] : "all", only = argc > 3 ? argv[3] : "";
    const int threads = argc > 2 ? std::atoi(argv[2]) : 0;
    for (const Isa path : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::avx512_bf16, Isa::neon}) {
        if (path > best_isa() || (path == Isa::baseline && isa == "all" && best_isa() != path)) continue;
        if (isa != "all" && isa != isa_name(path)) continue;
        for (const int n : {1, 2})
            if (threads == 0 || threads == n) bench_path(path, path == Isa::avx512_bf16, n, only);
    }
}
