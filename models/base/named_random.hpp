// Random numbers by name: each is a function of seed, use, name and element, so that another target, another order or
// another number of threads changes none of them.
#pragma once
#include <cstdint>
#include <string_view>

#include "common/philox.hpp"

namespace ql {

/// FNV-1a, 64 bits: a name's place in the stream.                                          (Fowler, Noll, Vo; RFC 9923)
constexpr uint64_t hash_name(std::string_view name) {
    uint64_t h = 0xcbf29ce484222325;
    for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return h;
}

class NamedRandom {
  public:
    /// `use` keeps the numbers apart from other uses of the seed.
    NamedRandom(uint64_t seed, uint32_t use, std::string_view name)
        : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}, use_(use), name_(hash_name(name)) {}

    /// Uniform in (0, 1): element e is word e mod 4 of block e / 4, of which the upper 24 bits count.
    double operator()(uint64_t element) {
        if (const auto block = static_cast<uint32_t>(element / 4); block != block_ || !made_) {
            block_ = block;
            made_ = true;
            words_ = philox4x32({block_, static_cast<uint32_t>(name_), static_cast<uint32_t>(name_ >> 32), use_}, key_);
        }
        return (static_cast<double>(words_[element % 4] >> 8) + 0.5) * 0x1p-24;
    }

  private:
    PhiloxKey key_;
    uint32_t use_;
    uint64_t name_;
    PhiloxCounter words_{};
    uint32_t block_ = 0;
    bool made_ = false;
};

}  // namespace ql
