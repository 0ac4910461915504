#include "models/data/pack.hpp"

#include <algorithm>
#include <deque>
#include <numeric>

#include "common/philox.hpp"

namespace ql {
namespace {

constexpr size_t kOpenSequences = 64;
constexpr uint32_t kShuffleStream = 0x53485546;  // keeps these numbers apart from other uses of the seed

struct Open {
    size_t sequence;
    int64_t used;
    int32_t segments;
};

void append(PackedSequence & s, const TokenSample & sample, int64_t index, int64_t length, Open & open) {
    for (int64_t i = 0; i < length; ++i) {
        const auto at = static_cast<size_t>(i), next = at + 1;
        s.tokens.push_back(sample.tokens[at]);
        s.targets.push_back(i + 1 < length && sample.trained[next] ? sample.tokens[next] : -1);
        s.positions.push_back(static_cast<int32_t>(i));
        s.segments.push_back(open.segments);
    }
    s.samples.push_back(index);
    open.used += length;
    ++open.segments;
}

/// An empty sequence with room for n tokens.
PackedSequence sequence_for(int64_t n) {
    PackedSequence s;
    for (std::vector<int32_t> * part : {&s.tokens, &s.targets, &s.positions, &s.segments})
        part->reserve(static_cast<size_t>(n));
    return s;
}

}  // namespace

std::vector<int64_t> sample_order(int64_t n, bool shuffle, uint64_t seed, int64_t epoch) {
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), int64_t{0});
    if (!shuffle) return order;
    const PhiloxKey key = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
    for (int64_t i = n - 1; i > 0; --i) {  // Fisher-Yates; the bias of the modulus is below n / 2^64
        const PhiloxCounter r = philox4x32(
            {static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), static_cast<uint32_t>(epoch), kShuffleStream},
            key);
        const uint64_t draw = r[0] | static_cast<uint64_t>(r[1]) << 32;
        std::swap(order[static_cast<size_t>(i)], order[draw % static_cast<uint64_t>(i + 1)]);
    }
    return order;
}

std::vector<PackedSequence> pack(const std::vector<TokenSample> & samples, const std::vector<int64_t> & order,
                                 int64_t ctx, bool packing) {
    std::vector<PackedSequence> sequences;
    std::deque<Open> open;
    for (const int64_t index : order) {
        const TokenSample & sample = samples[static_cast<size_t>(index)];
        const int64_t length = std::min(static_cast<int64_t>(sample.tokens.size()), ctx);
        auto place = open.end();
        if (packing)
            place = std::find_if(open.begin(), open.end(), [&](const Open & o) { return o.used + length <= ctx; });
        if (place == open.end()) {
            sequences.push_back(sequence_for(packing ? ctx : length));
            open.push_back({sequences.size() - 1, 0, 0});
            if (open.size() > kOpenSequences) open.pop_front();
            place = open.end() - 1;
        }
        append(sequences[place->sequence], sample, index, length, *place);
    }
    return sequences;
}

Status check_trained(std::span<const PackedSequence> sequences, const std::string & path, int64_t ctx) {
    const bool trained = std::any_of(sequences.begin(), sequences.end(), [](const PackedSequence & s) {
        return std::any_of(s.targets.begin(), s.targets.end(), [](int32_t target) { return target >= 0; });
    });
    if (trained) return {};
    return error(QL_INVALID_ARGUMENT, "%s: no trained token in the first %lld tokens of its samples", path.c_str(),
                 static_cast<long long>(ctx));
}

}  // namespace ql
