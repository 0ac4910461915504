// The noise of ql_uniform_noise: a function of the key and the element's number only, shared by reference and kernels.
#pragma once
#include "common/philox.hpp"
#include "ggml/ops/params.hpp"

namespace ql {

/// Element e has word e mod 4 of the Philox block whose counter is {e / 4 low, e / 4 high, step, stream} under the key
/// {seed low, seed high}.
class NoiseWords {
  public:
    /// key: {seed low, seed high, step, token offset}.
    NoiseWords(const UniformNoiseParams & params, const int32_t * key)
        : key_{static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1])},
          step_(static_cast<uint32_t>(key[2])),
          stream_(static_cast<uint32_t>(params.stream)),
          first_token_(static_cast<uint32_t>(key[3])) {}

    /// The number of element i of token t in rows of n.
    uint64_t element(int64_t t, int64_t n, int64_t i) const {
        return (first_token_ + static_cast<uint64_t>(t)) * static_cast<uint64_t>(n) + static_cast<uint64_t>(i);
    }
    PhiloxCounter counter(uint64_t block) const {
        return {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), step_, stream_};
    }
    PhiloxKey key() const { return key_; }
    uint32_t word(uint64_t element) const { return philox4x32(counter(element / 4), key_)[element % 4]; }

    /// Uniform in (-1, 1): the upper 24 bits w give (2 w + 1) / 2^24 - 1, which f32 holds exactly.
    static float unit(uint32_t word) {
        return static_cast<float>(static_cast<int32_t>(word >> 8 << 1 | 1) - (1 << 24)) * 0x1p-24f;
    }

  private:
    PhiloxKey key_;
    uint32_t step_, stream_;
    uint64_t first_token_;
};

}  // namespace ql
