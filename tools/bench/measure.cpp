#include "tools/bench/measure.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

#include "ql/os.h"
#include "tools/bench/peak_kernels.hpp"
#include "tools/cli/device_options.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr int kRounds = 7;
constexpr int64_t kReadBytes = int64_t{256} << 20;  // each thread's: far beyond the caches

std::atomic<double> g_sink{0};  // takes results that nobody wants, so that they are computed

/// Keeps the thread on the i-th of the cores that it may use.
void pin_to(int i) {
#if defined(__linux__)
    cpu_set_t allowed, one;
    if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
    const int n = CPU_COUNT(&allowed);
    for (int cpu = 0, k = 0; cpu < CPU_SETSIZE && n > 0; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed) || k++ != i % n) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        ::pthread_setaffinity_np(::pthread_self(), sizeof(one), &one);
        return;
    }
#else
    (void)i;
#endif
}

/// Seconds until all threads have done their part; they start together.
double time_threads(int threads, const std::function<double(int)> & work) {
    std::atomic<int> ready{0};
    std::atomic<bool> go{false}, give_up{false};
    std::vector<std::jthread> pool;  // joined whatever happens, but not before `go`
    try {
        for (int i = 0; i < threads; ++i)
            pool.emplace_back([&, i] {
                pin_to(i);
                ++ready;
                while (!go) std::this_thread::yield();
                if (!give_up) g_sink = work(i);
            });
    } catch (const std::system_error & e) {
        give_up = true, go = true;
        run_failed("%d threads: the system does not start so many (%s); ask for fewer (-t)", threads,
                   e.code().message().c_str());
    }
    while (ready < threads) std::this_thread::yield();
    const double start = ql_os_seconds();
    go = true;
    pool.clear();
    return ql_os_seconds() - start;
}

/// The path of a device's products; those in f32 and of integers take the widest vectors of its instruction set. Where
/// products of 16 bits have no peak of their own, they are compared with those of bytes, and products of bytes without
/// VNNI with AVX2's.
std::string product_path(const ql_device_info & device, const std::vector<PeakKernel> & kernels) {
    const std::string isa = device.isa, product = device.product;
    if (product != "f32" && !DeviceOptions::multiplies_integers(device)) return product;
    const bool avx512 = isa.starts_with("avx512") || isa == "amx";
    const std::string set = avx512 ? "avx512" : isa == "scalar" ? "baseline" : isa;
    if (product == "f32") return set;
    for (const std::string & path : {product + "_" + set, "int8_" + set})
        for (const PeakKernel & k : kernels)
            if (path == k.path) return path;
    return "int8_avx2";
}

Figure measure_kernel(const PeakKernel & k, int threads, double seconds) {
    int64_t n = 10000;
    const auto run = [&](int64_t iterations) { return time_threads(threads, [&](int) { return k.run(iterations); }); };
    for (double t = run(n); t < seconds / kRounds / 2 && n < (int64_t{1} << 40); t = run(n)) n *= 2;
    std::vector<double> rates;
    for (int i = 0; i < kRounds; ++i) {
        check_interrupt();
        rates.push_back(k.flops * static_cast<double>(n) * threads / run(n) / 1e9);
    }
    return figure(k.name, k.instruction, rates, k.unit, 0);
}

Figure measure_bandwidth(int threads) {
    struct Free {
        void operator()(void * p) const { std::free(p); }
    };
    const int used = std::min(threads, 16);  // memory channels are exhausted long before
    std::vector<std::unique_ptr<void, Free>> blocks;
    for (int i = 0; i < used; ++i) {
        blocks.emplace_back(std::aligned_alloc(4096, kReadBytes));
        if (!blocks.back()) run_failed("read bandwidth: no memory for %d blocks of 256 MiB", used);
    }
    time_threads(
        used, [&](int i) { return std::memset(blocks[static_cast<size_t>(i)].get(), i + 1, kReadBytes) ? 1.0 : 0.0; });
    std::vector<double> rates;
    for (int r = 0; r < kRounds; ++r) {
        check_interrupt();
        const double t = time_threads(used, [&](int i) {
            return static_cast<double>(read_bytes(blocks[static_cast<size_t>(i)].get(), kReadBytes));
        });
        rates.push_back(static_cast<double>(kReadBytes) * used / t / 1e9);
    }
    return figure("read_bandwidth", format("%d x 256 MiB", used), rates, "GB/s", 0);
}

}  // namespace

Figure figure(std::string name, std::string shape, std::vector<double> rates, std::string unit, double peak) {
    Figure f{std::move(name), std::move(shape), std::move(unit)};
    if (rates.empty()) return f;
    std::sort(rates.begin(), rates.end());
    const size_t n = rates.size();
    f.median = n % 2 ? rates[n / 2] : (rates[n / 2 - 1] + rates[n / 2]) / 2;
    f.min = rates.front();
    f.of_peak = peak > 0 ? f.median / peak : 0;
    return f;
}

Limits measure_limits(const ql_device_info & device, double seconds) {
    Limits limits;
    const std::vector<PeakKernel> kernels = peak_kernels();
    const std::string path = product_path(device, kernels);
    for (const PeakKernel & k : kernels) {
        limits.figures.push_back(measure_kernel(k, device.threads, seconds));
        if (path == k.path) limits.gflops = limits.figures.back().median;
    }
    for (Figure & f : limits.figures) f.of_peak = f.median / limits.gflops;
    limits.figures.push_back(measure_bandwidth(device.threads));
    limits.figures.back().of_peak = 1;
    limits.bandwidth = limits.figures.back().median;
    return limits;
}

void print_figures(const Program & program, const std::vector<Figure> & figures) {
    if (program.json) {
        Json list = Json::array();
        for (const Figure & f : figures)
            list.push_back({{"name", f.name},
                            {"shape", f.shape},
                            {"median", f.median},
                            {"min", f.min},
                            {"unit", f.unit},
                            {"of_peak", f.of_peak > 0 ? Json(f.of_peak) : Json(nullptr)}});
        return program.print(list);
    }
    Table table({"name", "shape", "median", "min", "unit", "of peak"});
    table.left({1, 4});
    for (const Figure & f : figures)
        table.add({f.name, f.shape, print_number(f.median, 1), print_number(f.min, 1), f.unit,
                   f.of_peak > 0 ? print_number(100 * f.of_peak, 1) + " %" : ""});
    table.print(stdout);
}

}  // namespace ql::cli
