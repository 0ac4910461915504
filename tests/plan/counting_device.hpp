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

/// A device in host memory that counts what it is asked for.
struct Counting : DeviceImpl {
    std::atomic<int> allocations = 0, uploads = 0, runs = 0, waits = 0;
    std::atomic<int> running = 0, overlaps = 0;  // overlaps: runs that began during another
};
inline Counting & counts(DeviceImpl & device) {
    return static_cast<Counting &>(device);
}

inline Backend counting_backend(bool host_memory) {
    Backend b{"counting"};
    b.alloc = [](DeviceImpl & d, size_t bytes, void ** data) {
        ++counts(d).allocations;
        *data = std::calloc(1, bytes);
        return Status();
    };
    b.release = [](DeviceImpl &, void * data, size_t) { std::free(data); };
    b.upload = [](DeviceImpl & d, void * dst, const void * src, size_t bytes) {
        ++counts(d).uploads;
        std::memcpy(dst, src, bytes);
        return Status();
    };
    b.compile = [](DeviceImpl &, std::span<Step>, Executable ** executable) {
        *executable = new Executable;
        return Status();
    };
    b.run = [](DeviceImpl & d, Executable &, bool) {
        Counting & c = counts(d);
        ++c.runs;
        c.overlaps += c.running++ > 0;
        std::this_thread::sleep_for(std::chrono::microseconds(50));  // long enough for another thread to meet it
        --c.running;
        return Status();
    };
    b.wait = [](DeviceImpl & d) {
        ++counts(d).waits;
        return Status();
    };
    b.discard = [](DeviceImpl &, Executable * executable) { delete executable; };
    b.kernels = [] {
        static const Kernel row = {[](const Launch &) { return Status(); }};
        static const std::array<const Kernel *, kOpCount> table = [] {
            std::array<const Kernel *, kOpCount> rows;
            rows.fill(&row);
            return rows;
        }();
        return table.data();
    }();
    b.host_memory = host_memory;
    return b;
}

}  // namespace ql::test
