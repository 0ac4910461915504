#include "ggml/pool/page_queue.hpp"

#include <chrono>
#include <system_error>

namespace ql {

PageQueue::~PageQueue() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
        queue_.clear();
    }
    todo_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Status PageQueue::start(std::span<const PageMove> moves) {
    if (!thread_.joinable()) {
        try {
            thread_ = std::thread([this] { work(); });
        } catch (const std::system_error & e) {
            return error(QL_NO_MEMORY, "paging: the system does not start a thread: %s", e.code().message().c_str());
        }
    }
    const std::lock_guard lock(mutex_);
    queue_.insert(queue_.end(), moves.begin(), moves.end());
    started_ += moves.size();
    todo_.notify_all();
    return {};
}

Status PageQueue::wait(uint64_t number) {
    std::unique_lock lock(mutex_);
    if (finished_ < number) {
        const auto from = std::chrono::steady_clock::now();
        done_.wait(lock, [&] { return finished_ >= number; });
        waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
    }
    return std::exchange(status_, Status());
}

void PageQueue::drain() {
    std::unique_lock lock(mutex_);
    finished_ += queue_.size();
    queue_.clear();
    done_.wait(lock, [&] { return finished_ >= started_; });
    status_ = {};
}

uint64_t PageQueue::started() const {
    const std::lock_guard lock(mutex_);
    return started_;
}

uint64_t PageQueue::bytes_read() const {
    const std::lock_guard lock(mutex_);
    return read_;
}

uint64_t PageQueue::bytes_written() const {
    const std::lock_guard lock(mutex_);
    return written_;
}

void PageQueue::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        todo_.wait(lock, [&] { return stop_ || !queue_.empty(); });
        if (stop_) return;
        const PageMove move = queue_.front();
        queue_.pop_front();
        lock.unlock();
        Status status = move.out ? os::write_range(move.file, move.memory) : os::read_range(move.file, move.memory);
        lock.lock();
        (move.out ? written_ : read_) += move.file.bytes;
        ++finished_;
        if (status_.ok()) status_ = std::move(status);
        done_.notify_all();
    }
}

}  // namespace ql
