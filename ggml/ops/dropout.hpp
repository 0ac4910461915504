// Which elements dropout keeps: a function of the key and the element's number only, shared by reference and kernels.
#pragma once
#include "common/philox.hpp"
#include "ggml/ops/params.hpp"

namespace ql {

/// Decides element by element. Element e has word e mod 4 of the Philox block whose counter is
/// {e / 4 low, e / 4 high, step, stream} under the key {seed low, seed high}; it is kept if the word >= p 2^32.
class DropoutMask {
  public:
    /// key: {seed low, seed high, step, token offset}.
    DropoutMask(const DropoutParams & params, const int32_t * key)
        : key_{static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1])},
          step_(static_cast<uint32_t>(key[2])),
          stream_(static_cast<uint32_t>(params.stream)),
          first_token_(static_cast<uint32_t>(key[3])),
          threshold_(static_cast<uint64_t>(static_cast<double>(params.p) * 4294967296.0)) {}

    /// The number of element i of token t in rows of n.
    uint64_t element(int64_t t, int64_t n, int64_t i) const {
        return (first_token_ + static_cast<uint64_t>(t)) * static_cast<uint64_t>(n) + static_cast<uint64_t>(i);
    }
    /// The words of elements 4 block ... 4 block + 3.
    PhiloxCounter words(uint64_t block) const { return philox4x32(counter(block), key_); }
    bool keeps(uint32_t word) const { return word >= threshold_; }

    // For kernels that make the words themselves.
    PhiloxCounter counter(uint64_t block) const {
        return {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), step_, stream_};
    }
    PhiloxKey key() const { return key_; }
    uint64_t threshold() const { return threshold_; }  // p < 1: below 2^32

  private:
    PhiloxKey key_;
    uint32_t step_, stream_;
    uint64_t first_token_, threshold_;
};

}  // namespace ql
