// A backend whose devices compute nothing and count what they are asked for.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "ggml/backend/device.hpp"

namespace ql::test {

/// A device that counts what it is asked for. Copies are made at once.
struct Counting : DeviceImpl {
    std::atomic<int> allocations = 0, copies = 0, runs = 0, waits = 0, holds = 0;
    std::atomic<int> running = 0, overlaps = 0;  // overlaps: runs that began during another
    const char * broken = nullptr;               // if set, the message with which waits fail

    Caps caps() const override { return {}; }
    Result<void *> allocate(MemoryKind, size_t bytes) override {
        ++allocations;
        return std::calloc(1, bytes);
    }
    void release(MemoryKind, void * data, size_t) override { std::free(data); }
    Result<std::unique_ptr<Executable>> compile(std::span<Step>) override { return std::make_unique<Executable>(); }
    Status run(Executable &, bool) override {
        ++runs;
        overlaps += running++ > 0;
        std::this_thread::sleep_for(std::chrono::microseconds(50));  // long enough for another thread to overlap
        --running;
        return {};
    }
    Status copy(Queue, const Copy & copy) override {
        ++copies;
        std::memcpy(copy.to, copy.from, copy.bytes);
        return {};
    }
    Event now(Queue queue) override { return {this, queue}; }
    Status hold(Queue, const Event &) override {
        ++holds;
        return {};
    }
    Status finish(const Event &) override {
        ++waits;
        return broken ? error(QL_IO, "%s", broken) : Status();
    }
};

inline Backend counting_backend() {
    Backend b{"counting"};
    b.kernels = [] {
        static const Kernel row = {[](const Launch &) { return Status(); }};
        static const std::array<const Kernel *, kOpCount> table = [] {
            std::array<const Kernel *, kOpCount> rows;
            rows.fill(&row);
            return rows;
        }();
        return table.data();
    }();
    return b;
}

}  // namespace ql::test
