#include "models/data/dataset.hpp"

namespace ql {

int64_t Dataset::n_tokens() const {
    int64_t n = 0;
    for (const TokenSample & s : samples) n += static_cast<int64_t>(s.tokens.size());
    return n;
}

int64_t Dataset::n_trained() const {
    int64_t n = 0;
    for (const TokenSample & s : samples) n += s.n_trained();
    return n;
}

uint64_t Dataset::fingerprint() const {
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a over 32-bit words
    const auto mix = [&](uint32_t v) { hash = (hash ^ v) * 0x100000001b3; };
    for (const TokenSample & s : samples) {
        mix(static_cast<uint32_t>(s.tokens.size()));
        for (size_t i = 0; i < s.tokens.size(); ++i) mix(static_cast<uint32_t>(s.tokens[i]) << 1 | s.trained[i]);
    }
    return hash;
}

}  // namespace ql
