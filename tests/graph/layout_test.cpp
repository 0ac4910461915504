// Where the planner lays buffers: none over another that lives at the same time, each at an aligned offset, and no more
// memory than that takes.
#include "ggml/plan/layout.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace ql::test {
namespace {

constexpr size_t kAlignment = 64;

size_t padded(size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

void expect_apart(const std::vector<Buffer> & buffers, size_t arena) {
    for (const Buffer & a : buffers) {
        EXPECT_EQ(a.offset % kAlignment, 0u);
        EXPECT_LE(a.offset + a.bytes, arena);
        for (const Buffer & b : buffers) {
            if (&a == &b || a.last < b.first || b.last < a.first) continue;
            EXPECT_TRUE(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset)
                << a.bytes << " bytes at " << a.offset << ", " << b.bytes << " bytes at " << b.offset;
        }
    }
}

TEST(Layout, BuffersOfOddSizesLieApartAtAlignedOffsets) {
    std::vector<Buffer> buffers;
    for (int64_t i = 0; i < 200; ++i) {
        const int64_t first = i * 7 % 50;
        buffers.push_back({static_cast<size_t>(1 + i * 37 % 301), first, first + i % 9, 0});
    }
    expect_apart(buffers, place_buffers(buffers, kAlignment));
}

TEST(Layout, ABufferReadByTheStepThatWritesAnotherLivesWithIt) {
    std::vector<Buffer> buffers = {{100, 0, 1, 0}, {100, 1, 2, 0}, {100, 2, 3, 0}};
    const size_t arena = place_buffers(buffers, kAlignment);
    expect_apart(buffers, arena);
    EXPECT_EQ(arena, 2 * padded(100)) << "the third takes the first one's place";
}

TEST(Layout, ASmallBufferGoesToTheFirstGapThatTakesIt) {
    std::vector<Buffer> buffers = {{640, 0, 9, 0}, {320, 0, 1, 0}, {256, 0, 9, 0}, {128, 2, 9, 0}, {128, 2, 9, 0}};
    const size_t arena = place_buffers(buffers, kAlignment);
    expect_apart(buffers, arena);
    EXPECT_EQ(arena, 640u + 320u + 256u);
}

TEST(Layout, AnEmptyBufferTakesNothing) {
    std::vector<Buffer> buffers = {{0, 0, 9, 0}, {64, 0, 9, 0}};
    EXPECT_EQ(place_buffers(buffers, kAlignment), 64u);
}

}  // namespace
}  // namespace ql::test
