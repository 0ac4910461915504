// x between zeros along a dimension: the result is zeroed, then x is moved to its place. moves.cpp has the split and
// the traffic; the zeros are one more write.
#include <cstring>

#include "backends/cpu/ops/moves.hpp"
#include "backends/cpu/split.hpp"

namespace ql::cpu {
namespace {

Status launch_pad(const Launch & l) {
    auto * y = static_cast<char *>(l.out[0]);
    const auto bytes = static_cast<int64_t>(l.node.out[0]->bytes());
    split(device_of(l).pool, bytes, kPiece * 4,
          [=](int64_t first, int64_t last) { std::memset(y + first, 0, static_cast<size_t>(last - first)); });
    run_move(l, pad_move(l.node));
    return {};
}

}  // namespace

const Kernel kernel::pad = {launch_pad};

}  // namespace ql::cpu
