// Whether the time of some work grows with its input, or with the input's square. Times are the thread's own, so that a
// busy machine does not matter; inputs must be so large that quadratic work takes far longer than the 0.1 s forgiven.
#pragma once
#include <time.h>

#include <algorithm>
#include <string>

namespace ql::test {

/// Processor seconds that this thread has taken.
inline double thread_seconds() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Processor seconds that work() takes, the best of three.
template <typename Work>
double cpu_seconds(Work && work) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
        const double start = thread_seconds();
        work();
        best = std::min(best, thread_seconds() - start);
    }
    return best;
}

/// The times of work on text(n / 4) and on text(n) as "0.01 s, then 0.2 s" if they grow faster than 10 to 1; else "".
/// Linear work grows 4 to 1, quadratic work 16 to 1.
template <typename MakeText, typename Work>
std::string grows_too_fast(MakeText && text, int n, Work && work) {
    const std::string small = text(n / 4), large = text(n);
    const double first = cpu_seconds([&] { work(small); }), then = cpu_seconds([&] { work(large); });
    if (then <= 10 * first + 0.1) return "";
    return std::to_string(first) + " s, then " + std::to_string(then) + " s";
}

}  // namespace ql::test
