// What the processor can do at most: multiply-adds on registers, and reading memory.
#pragma once
#include <ctime>

#include "backends/cpu/pool.hpp"

namespace ql::cpu {

/// Seconds of work: for one thread its processor time, which leaves out other programs; for several, elapsed time.
class Stopwatch {
  public:
    explicit Stopwatch(const Pool & pool)
        : clock_(pool.threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC), start_(now()) {}
    double seconds() const { return now() - start_; }

  private:
    double now() const {
        timespec t{};
        clock_gettime(clock_, &t);
        return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
    }
    const clockid_t clock_;
    const double start_;
};

/// GFLOP/s of f32 multiply-adds under the instruction set now chosen, or of bf16 dot products.
double peak_gflops(Pool & pool, bool bf16);
/// GB/s of reading far more than the caches hold.
double peak_read(Pool & pool);
}  // namespace ql::cpu
