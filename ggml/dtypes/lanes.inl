// Vectors of up to sixteen floats, and integers of as many lanes: what encoders, dither and merged rows count in. Compiled once
// for each instruction set: included by Highway kernel files before HWY_BEFORE_NAMESPACE(); it opens the namespaces itself.
#if defined(QL_LANES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_LANES_INL
#undef QL_LANES_INL
#else
#define QL_LANES_INL
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Ints = hn::RebindToSigned<Tag>;
using Bytes = hn::Rebind<uint8_t, Tag>;
using Vec = hn::Vec<Tag>;
using IntVec = hn::Vec<Ints>;
constexpr Tag kTag;
constexpr Ints kInts;
constexpr Bytes kBytes;
constexpr int kWidth = hn::MaxLanes(kTag);

}  // namespace HWY_NAMESPACE
}  // namespace ql
HWY_AFTER_NAMESPACE();

#endif
