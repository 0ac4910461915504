// The choices of the emulation: the same under the same seed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ql::cuda::emu {

class Random {
  public:
    explicit Random(uint64_t seed = 1) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
    uint32_t below(uint32_t limit) {
        state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;  // (Marsaglia 2003, xorshift)
        return static_cast<uint32_t>((state_ >> 32) * limit >> 32);
    }
    template <typename T>
    void shuffle(std::vector<T> & v) {
        for (size_t i = v.size(); i > 1; --i) std::swap(v[i - 1], v[below(static_cast<uint32_t>(i))]);
    }

  private:
    uint64_t state_;
};

}  // namespace ql::cuda::emu
