// Philox 4x32-10, the counter-based random numbers of Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2,
// 3"). A number is a pure function of key and counter, so any thread, kernel or resumed run can make any of them.
#pragma once
#include <array>
#include <cstdint>

namespace ql {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

/// The multipliers of a round and the steps of the key (the paper's constants).
inline constexpr uint32_t kPhiloxA = 0xD2511F53, kPhiloxB = 0xCD9E8D57;
inline constexpr uint32_t kPhiloxStepA = 0x9E3779B9, kPhiloxStepB = 0xBB67AE85;

/// Four independent uniform 32-bit numbers.
constexpr PhiloxCounter philox4x32(PhiloxCounter c, PhiloxKey k) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t a = uint64_t{kPhiloxA} * c[0], b = uint64_t{kPhiloxB} * c[2];
        c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
             static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
        k = {k[0] + kPhiloxStepA, k[1] + kPhiloxStepB};
    }
    return c;
}

}  // namespace ql
