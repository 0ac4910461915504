// How config.json says that positions are scaled.
#pragma once
#include <vector>

#include "models/files/json_file.hpp"

namespace ql {

/// The numbers of a scaling, as files say them.
struct HfRopeScaling {
    enum class Kind { none, linear, llama3, yarn, longrope } kind = Kind::none;
    double factor = 1, beta_fast = 0, beta_slow = 0;
    double original_context = 0;
    bool whole_pairs = true;  // of yarn: base/rope_scaling.hpp
};

struct HfRope {
    float base = 10000.0f;
    float scale = 1.0f;      // 1 / factor of linear scaling
    float magnitude = 1.0f;  // what yarn and longrope multiply cos and sin by
    int64_t n_rot = 0;       // rotated elements of a head
    /// What llama3, yarn and longrope divide each frequency by, [n_rot / 2]; empty without them.
    std::vector<float> divisors;
    std::vector<float> long_divisors;  // of longrope: those of contexts of more than long_from tokens
    int64_t long_from = 0;
    HfRopeScaling scaling;
    double temperature_scale = 0;  // by which q grows with its position (base/rope_scaling.hpp)
};

/// What of a head is rotated where config.json does not say it, and whether it may be a part.
struct HfRotated {
    int64_t head_dim = 0;
    double part = 1;
    bool may_be_part = false;
};

/// rope_parameters (transformers 5), or rope_theta beside rope_scaling (before). `layers`: rope_parameters may have an
/// object for each kind of layer, and this kind's counts; null: it has none.
Result<HfRope> read_hf_rope(const JsonFile & config, const HfRotated & rotated, const char * layers = nullptr);

}  // namespace ql
