#include "ggml/pool/page_queue.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>

namespace ql {

PageQueue::~PageQueue() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    todo_.notify_all();
    for (std::thread & t : threads_)
        if (t.joinable()) t.join();
}

Status PageQueue::start(std::span<const PageMove> moves) {
    if (moves.empty()) return {};
    QL_TRY(start_threads());
    const std::lock_guard lock(mutex_);
    for (const PageMove & m : moves) moving_.push_back({m});
    started_ += moves.size();
    todo_.notify_all();
    return {};
}

/// One is enough to go on with.
Status PageQueue::start_threads() {
    if (threads_[0].joinable()) return {};
    for (std::thread & t : threads_) {
        try {
            t = std::thread([this] { work(); });
        } catch (const std::system_error & e) {
            if (threads_[0].joinable()) return {};
            return error(QL_NO_MEMORY, "paging: the system does not start a thread: %s", e.code().message().c_str());
        }
    }
    return {};
}

Status PageQueue::wait(uint64_t number) {
    std::unique_lock lock(mutex_);
    const auto are_done = [&] { return started_ - moving_.size() >= number; };
    if (!are_done()) {
        const auto from = std::chrono::steady_clock::now();
        done_.wait(lock, are_done);
        waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
    }
    return std::exchange(status_, Status());
}

void PageQueue::drain() {
    std::unique_lock lock(mutex_);
    if (next_ < moving_.size() && moving_[next_].begun > 0) {
        moving_[next_].move.file.bytes = moving_[next_].begun;
        ++next_;
    }
    moving_.resize(next_);
    drop_done();
    done_.wait(lock, [&] { return moving_.empty(); });
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
        todo_.wait(lock, [&] { return stop_ || next_ < moving_.size(); });
        if (stop_) return;
        Moving & moving = moving_[next_];  // a move stays where it is until all its pieces are done
        const PageMove piece = next_piece(moving);
        lock.unlock();
        Status status = move(piece);
        lock.lock();
        finish(moving, piece, std::move(status));
    }
}

/// Pieces end at multiples of their size in the file, and so at borders of its pages.
PageMove PageQueue::next_piece(Moving & moving) {
    PageMove piece = moving.move;
    piece.file.offset += moving.begun;
    piece.file.bytes = std::min(moving.move.file.bytes - moving.begun, kPieceBytes - piece.file.offset % kPieceBytes);
    if (piece.file.mapped) piece.file.mapped = static_cast<const std::byte *>(piece.file.mapped) + moving.begun;
    piece.memory += moving.begun;
    moving.begun += piece.file.bytes;
    if (moving.begun == moving.move.file.bytes) ++next_;
    return piece;
}

Status PageQueue::move(const PageMove & piece) {
    if (piece.out) return os::write_range(piece.file, piece.memory);
    if (piece.direct >= 0 && !os::is_cached(piece.file)) return os::read_direct(piece.direct, piece.file, piece.memory);
    return os::read_range(piece.file, piece.memory);
}

void PageQueue::finish(Moving & moving, const PageMove & piece, Status status) {
    (piece.out ? written_ : read_) += piece.file.bytes;
    moving.done += piece.file.bytes;
    if (status_.ok()) status_ = std::move(status);
    drop_done();
    done_.notify_all();
}

void PageQueue::drop_done() {
    while (next_ > 0 && moving_.front().is_done()) moving_.pop_front(), --next_;
}

}  // namespace ql
