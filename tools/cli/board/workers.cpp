#include "tools/cli/board/workers.hpp"

#include <pthread.h>

#include <utility>

namespace ql::cli {

Workers::Workers(size_t threads, size_t most) : most_(most) {
    try {
        for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {  // the system starts no more
        shutdown();
        throw;
    }
}

Workers::~Workers() {
    shutdown();
}

void Workers::enqueue(std::function<void()> work) {
    std::unique_lock lock(mutex_);
    went_.wait(lock, [&] { return waiting_.size() < most_ || ends_; });
    waiting_.push_back(std::move(work));
    came_.notify_one();
}

/// What waits is done first: each is a connection to be closed.
void Workers::shutdown() {
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
    }
    came_.notify_all(), went_.notify_all();
    for (std::thread & t : threads_)
        if (t.joinable()) t.join();
}

void Workers::work() {
    ::pthread_setname_np(::pthread_self(), "board");  // what they cost is seen in `top -H`
    for (;;) {
        std::function<void()> next;
        {
            std::unique_lock lock(mutex_);
            came_.wait(lock, [&] { return !waiting_.empty() || ends_; });
            if (waiting_.empty()) return;
            next = std::move(waiting_.front());
            waiting_.pop_front();
        }
        went_.notify_one();
        next();
    }
}

}  // namespace ql::cli
