#include "models/base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <system_error>

namespace ql {
namespace {

/// Starts up to n threads; those that the system refuses are done without.
template <typename Body>
std::vector<std::thread> start(int n, const Body & body) {
    std::vector<std::thread> threads;
    threads.reserve(static_cast<size_t>(std::max(n, 0)));
    try {
        for (int i = 0; i < n; ++i) threads.emplace_back(body);
    } catch (const std::system_error &) {
    }
    return threads;
}

}  // namespace

void parallel_for(int threads, int64_t n, const std::function<void(int64_t)> & f) {
    std::atomic<int64_t> next{0};
    std::mutex mutex;
    std::exception_ptr thrown;
    const auto work = [&] {
        try {
            for (int64_t unit = next++; unit < n; unit = next++) f(unit);
        } catch (...) {
            next = n;
            const std::lock_guard held(mutex);
            if (!thrown) thrown = std::current_exception();
        }
    };
    std::vector<std::thread> others = start(static_cast<int>(std::min<int64_t>(threads, n)) - 1, work);
    work();
    for (std::thread & t : others) t.join();
    if (thrown) std::rethrow_exception(thrown);
}

Shares share_threads(int threads, int64_t bytes_of_each) {
    constexpr int64_t kBytes = int64_t{1} << 30;
    const auto at_once =
        static_cast<int>(std::clamp<int64_t>(kBytes / std::max<int64_t>(bytes_of_each, 1), 1, threads));
    return {at_once, threads / at_once};
}

Ahead::Ahead(int threads, int64_t n, int64_t window, std::function<Status(int64_t)> make)
    : n_(n),
      window_(std::max<int64_t>(window, 1)),
      make_(std::move(make)),
      ring_(static_cast<size_t>(std::clamp<int64_t>(n, 1, window_))) {
    if (threads > 1) threads_ = start(static_cast<int>(std::min<int64_t>(threads, n)), [this] { work(); });
}

Ahead::~Ahead() {
    {
        const std::lock_guard held(mutex_);
        stop_ = true;
    }
    changed_.notify_all();
    for (std::thread & t : threads_) t.join();
}

Ahead::Made Ahead::made(int64_t unit) const {
    try {
        return {true, make_(unit), nullptr};
    } catch (...) {
        return {true, {}, std::current_exception()};
    }
}

void Ahead::work() {
    std::unique_lock held(mutex_);
    for (;;) {
        changed_.wait(held, [&] { return stop_ || next_ == n_ || next_ < taken_ + window_; });
        if (stop_ || next_ == n_) return;
        const int64_t unit = next_++;
        held.unlock();
        Made result = made(unit);
        held.lock();
        ring_[static_cast<size_t>(unit) % ring_.size()] = std::move(result);
        changed_.notify_all();
    }
}

Status Ahead::wait() {
    Made & unit = ring_[static_cast<size_t>(taken_) % ring_.size()];
    if (threads_.empty()) {
        unit = made(taken_);
    } else {
        std::unique_lock held(mutex_);
        changed_.wait(held, [&] { return unit.done; });
    }
    if (unit.thrown) std::rethrow_exception(unit.thrown);
    return unit.status;
}

void Ahead::release() {
    {
        const std::lock_guard held(mutex_);
        ring_[static_cast<size_t>(taken_) % ring_.size()] = {};
        ++taken_;
    }
    changed_.notify_all();
}

}  // namespace ql
