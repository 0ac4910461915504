// What the machine over the C API reads its decisions from: sizes, numbers and types, good and bad ones.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ql/dtype.h"

namespace ql::fuzz {

/// Decisions read from the input; zeros once it has ended.
class Input {
  public:
    Input(const uint8_t * data, size_t size) : data_(data), left_(size) {}

    bool ended() const { return left_ == 0; }
    uint8_t byte() { return left_ ? (--left_, *data_++) : uint8_t{0}; }
    size_t pick(size_t n) { return byte() % n; }
    template <typename T, size_t n>
    T one_of(const T (&values)[n]) {
        return values[pick(n)];
    }

    /// A size: often one that fits others, sometimes not.
    int64_t size() {
        static constexpr int64_t kSizes[] = {1,
                                             2,
                                             3,
                                             4,
                                             8,
                                             16,
                                             32,
                                             64,
                                             64,
                                             32,
                                             4,
                                             4,
                                             256,
                                             5,
                                             0,
                                             -1,
                                             int64_t{1} << 31,
                                             int64_t{1} << 47,
                                             std::numeric_limits<int64_t>::max(),
                                             std::numeric_limits<int64_t>::min()};
        return one_of(kSizes);
    }
    float number() {
        static constexpr float kNumbers[] = {0,
                                             1,
                                             0.5f,
                                             1e-5f,
                                             -1,
                                             10000,
                                             1e30f,
                                             std::numeric_limits<float>::infinity(),
                                             std::numeric_limits<float>::quiet_NaN()};
        return one_of(kNumbers);
    }
    ql_dtype dtype() {
        static constexpr int kTypes[] = {QL_F32,  QL_F16,  QL_BF16, QL_I32,   QL_F32,   QL_Q4_0,   QL_Q4_1,   QL_Q5_0,
                                         QL_Q5_1, QL_Q8_0, QL_Q4_K, QL_Q5_K,  QL_Q6_K,  QL_NF4,    QL_NF4_DQ, QL_FP4,
                                         QL_I8,   4,       99,      QL_IQ2_S, QL_MXFP4, 0x4E460099};
        return static_cast<ql_dtype>(one_of(kTypes));
    }

  private:
    const uint8_t * data_;
    size_t left_;
};

}  // namespace ql::fuzz
