// Split: pieces of kPiece elements. Traffic: one write.
#include <cstring>

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

namespace ql::cpu {
namespace {

Status launch_zero(const Launch & l) {
    float * y = l.y(0);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece, [=](int64_t first, int64_t last) {
        std::memset(y + first, 0, static_cast<size_t>(last - first) * sizeof(float));
    });
    return {};
}

}  // namespace

const Kernel kernel::zero = {launch_zero};

}  // namespace ql::cpu
