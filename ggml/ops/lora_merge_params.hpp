// What lora_merge is told.
#pragma once
#include <cstdint>

namespace ql {

/// s of s B A. dithers: 1, with the thresholds of the key (dtypes/dither.hpp); 0, to the nearest value.
struct LoraMergeParams {
    float scale = 1;
    int32_t dithers = 0;
    uint32_t key = 0;
};

}  // namespace ql
