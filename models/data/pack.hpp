// Packing: samples are laid one after another into sequences of ctx tokens. Each sample is a segment of its own that
// sees only itself. No sample is cut here, and none crosses the end of a sequence.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/data/sample.hpp"
#include "ql/status.hpp"

namespace ql {

/// At most ctx tokens, and no padding: that comes with the micro-batch, so that the sequences of a data set take memory
/// by its tokens and not by ctx.
struct PackedSequence {
    std::vector<int32_t> tokens;
    std::vector<int32_t> targets;    // the next token of the sample where that one is trained, else -1
    std::vector<int32_t> positions;  // from 0 in each segment
    std::vector<int32_t> segments;   // 0, 1, 2 ...
    std::vector<int64_t> samples;    // of each segment, its sample's index
};

/// The samples' order in an epoch: a permutation that depends on (seed, epoch, n) alone; 0, 1, 2 ... without shuffle.
std::vector<int64_t> sample_order(int64_t n, bool shuffle, uint64_t seed, int64_t epoch);

/// Packs the samples in this order. With packing each goes to the first open sequence with room (of the last 64 opened:
/// nearly as tight as best fit, and near the order); without, each has a sequence to itself. Longer samples than ctx
/// are cut at ctx.
std::vector<PackedSequence> pack(const std::vector<TokenSample> & samples, const std::vector<int64_t> & order,
                                 int64_t ctx, bool packing);

/// Something is trained: a loss over no token would be 0, which looks like the best there is.
/// errors  QL_INVALID_ARGUMENT: names `path`, whose samples these are
Status check_trained(std::span<const PackedSequence> sequences, const std::string & path, int64_t ctx);

}  // namespace ql
