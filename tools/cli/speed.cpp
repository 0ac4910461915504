#include "tools/cli/speed.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "ql/ql.hpp"
#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

constexpr int64_t kMostTokens = 512, kMostWidth = 2048;  // a rate does not grow any more
constexpr double kSeconds = 0.15;                        // of each product, and one run at least
constexpr size_t kPiece = 1 << 20, kSample = size_t{128} << 20;
constexpr int kReaders = 4;

/// Seconds and operations of repeated runs of one operator.
struct Timed {
    double seconds = 0, flops = 0;
};

Timed time_op(const DevicePtr & device, const char * op, ql_dtype type, const ql_model_info & model, int64_t tokens) {
    OpBenchPtr bench;
    check_run(ql_op_bench_create(device.get(), op, type, std::min(model.n_embd, kMostWidth),
                                 std::min(model.n_ff, kMostWidth), tokens, out(bench)));
    ql_plan * plan = ql_op_bench_plan(bench.get());
    auto info = sized<ql_plan_info>();
    check_run(ql_plan_describe(plan, &info));
    check_run(ql_plan_run(plan));  // warms up
    Timed timed;
    for (const double begin = ql_os_seconds(); timed.seconds < kSeconds; timed.seconds = ql_os_seconds() - begin) {
        check_run(ql_plan_run(plan));
        timed.flops += info.flops;
    }
    return timed;
}

/// The file itself, or the largest in a folder.
std::string largest_file(const std::string & model) {
    std::error_code ignored;
    std::string largest = model;
    uintmax_t bytes = 0;
    for (const auto & entry : std::filesystem::directory_iterator(model, ignored))
        if (entry.is_regular_file(ignored) && entry.file_size(ignored) > bytes)
            bytes = entry.file_size(ignored), largest = entry.path().string();
    return largest;
}

}  // namespace

double measure_products(const DevicePtr & device, const ql_model_info & model, int64_t tokens) {
    ql_dtype type = QL_F32;
    if (ql_dtype_from_name(model.base_type, &type) != QL_OK || model.n_ff < 1) return 0;
    Timed sum;
    for (const char * op : {"mul_mat", "mul_mat_t"}) {
        const Timed one = time_op(device, op, type, model, std::min(tokens, kMostTokens));
        sum.seconds += one.seconds / one.flops, sum.flops += 1;  // as many operations of each
    }
    return sum.flops / sum.seconds;
}

double measure_reading(const std::string & model) {
    const std::string path = largest_file(model);
    std::error_code failed;
    const uintmax_t size = std::filesystem::file_size(path, failed);
    const int fd = failed ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    const size_t bytes = std::min<size_t>(size, kSample), first = (size - bytes) / 2;
    std::atomic<size_t> next{0}, done{0};
    const double begin = ql_os_seconds();
    {
        std::vector<std::jthread> readers;
        for (int i = 0; i < kReaders; ++i)
            readers.emplace_back([&] {
                std::vector<char> piece(kPiece);
                for (size_t at; (at = next.fetch_add(kPiece)) < bytes;) {
                    const ssize_t n =
                        ::pread(fd, piece.data(), std::min(kPiece, bytes - at), static_cast<off_t>(first + at));
                    if (n > 0) done += static_cast<size_t>(n);
                }
            });
    }
    const double seconds = ql_os_seconds() - begin;
    ::close(fd);
    return static_cast<double>(done.load()) / std::max(seconds, 1e-9);
}

ExpectedStep expect_step(const ql_trainer_info & plan, double flops_per_second, double bytes_per_second) {
    ExpectedStep step;
    if (flops_per_second > 0) step.products = plan.flops_per_step / flops_per_second;
    const auto bytes = static_cast<double>(plan.read_bytes_per_step + plan.spill_read_bytes_per_step +
                                           plan.spill_written_bytes_per_step);
    if (bytes_per_second > 0) step.reading = bytes / bytes_per_second;
    step.seconds = std::max(step.products, step.reading);
    return step;
}

}  // namespace ql::cli
