// Laying out a kernel's scratch. The same code asks for the bytes, when a plan is made, and hands them out, when the
// kernel runs, so that the two cannot differ.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ql::cpu {

/// Hands out pieces of scratch, each at a multiple of 64 bytes. With a null base it only counts.
class Carver {
  public:
    explicit Carver(std::byte * base = nullptr) : base_(base) {}
    template <typename T>
    T * take(int64_t n) {
        T * p = base_ ? reinterpret_cast<T *>(base_ + used_) : nullptr;
        used_ += (static_cast<size_t>(n) * sizeof(T) + 63) / 64 * 64;
        return p;
    }
    size_t used() const { return used_; }

  private:
    std::byte * base_;
    size_t used_ = 0;
};

/// Buffers for each thread, which their constructor carves out of scratch, from the same arguments each time.
template <typename Buffers>
class PerThread {
  public:
    template <typename... Args>
    PerThread(Carver & carve, int threads, const Args &... args) {
        Carver count;
        Buffers(count, args...);
        bytes_ = count.used();
        base_ = carve.take<std::byte>(static_cast<int64_t>(bytes_) * threads);
    }
    template <typename... Args>
    Buffers of(int thread, const Args &... args) const {
        Carver carve(base_ + bytes_ * static_cast<size_t>(thread));
        return Buffers(carve, args...);
    }

  private:
    size_t bytes_;
    std::byte * base_;
};

}  // namespace ql::cpu
