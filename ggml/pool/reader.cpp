#include "ggml/pool/reader.hpp"

#include <chrono>
#include <system_error>

namespace ql {

PageReader::~PageReader() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
        queue_.clear();
    }
    todo_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Status PageReader::start(std::span<const PageRead> reads) {
    if (!thread_.joinable()) {
        try {
            thread_ = std::thread([this] { work(); });
        } catch (const std::system_error & e) {
            return error(QL_NO_MEMORY, "paging: the system does not start a thread: %s", e.code().message().c_str());
        }
    }
    const std::lock_guard lock(mutex_);
    queue_.insert(queue_.end(), reads.begin(), reads.end());
    started_ += reads.size();
    todo_.notify_all();
    return {};
}

Status PageReader::wait(uint64_t number) {
    std::unique_lock lock(mutex_);
    if (finished_ < number) {
        const auto from = std::chrono::steady_clock::now();
        done_.wait(lock, [&] { return finished_ >= number; });
        waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
    }
    return std::exchange(status_, Status());
}

void PageReader::drain() {
    std::unique_lock lock(mutex_);
    finished_ += queue_.size();
    queue_.clear();
    done_.wait(lock, [&] { return finished_ >= started_; });
    status_ = {};
}

uint64_t PageReader::started() const {
    const std::lock_guard lock(mutex_);
    return started_;
}

uint64_t PageReader::bytes_read() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

void PageReader::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        todo_.wait(lock, [&] { return stop_ || !queue_.empty(); });
        if (stop_) return;
        const PageRead read = queue_.front();
        queue_.pop_front();
        lock.unlock();
        Status status = os::read_range(read.from, read.to);
        lock.lock();
        bytes_ += read.from.bytes;
        ++finished_;
        if (status_.ok()) status_ = std::move(status);
        done_.notify_all();
    }
}

}  // namespace ql
