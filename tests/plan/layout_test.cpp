// Where the planner lays buffers: none over another that lives at the same time, each at an aligned offset, and no more
// memory than that takes.
#include "ggml/plan/layout.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "ggml/backend/device.hpp"

namespace ql::test {
namespace {

constexpr size_t kAlignment = 64;

size_t padded(size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

Buffer buffer(size_t bytes, int64_t first, int64_t last) {
    return {nullptr, bytes, first, last};
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
        buffers.push_back(buffer(static_cast<size_t>(1 + i * 37 % 301), first, first + i % 9));
    }
    expect_apart(buffers, place_buffers(buffers, nullptr, kAlignment).of(Region::arena));
}

TEST(Layout, ABufferReadByTheStepThatWritesAnotherLivesWithIt) {
    std::vector<Buffer> buffers = {buffer(100, 0, 1), buffer(100, 1, 2), buffer(100, 2, 3)};
    const size_t arena = place_buffers(buffers, nullptr, kAlignment).of(Region::arena);
    expect_apart(buffers, arena);
    EXPECT_EQ(arena, 2 * padded(100)) << "the third takes the first one's place";
}

TEST(Layout, ASmallBufferGoesToTheFirstGapThatTakesIt) {
    std::vector<Buffer> buffers = {buffer(640, 0, 9), buffer(320, 0, 1), buffer(256, 0, 9), buffer(128, 2, 9),
                                   buffer(128, 2, 9)};
    const size_t arena = place_buffers(buffers, nullptr, kAlignment).of(Region::arena);
    expect_apart(buffers, arena);
    EXPECT_EQ(arena, 640u + 320u + 256u);
}

TEST(Layout, AnEmptyBufferTakesNothing) {
    std::vector<Buffer> buffers = {buffer(0, 0, 9), buffer(64, 0, 9)};
    EXPECT_EQ(place_buffers(buffers, nullptr, kAlignment).of(Region::arena), 64u);
}

TEST(Layout, WhatIsOnAnotherDeviceTakesNothing) {
    ql_device other;
    std::vector<Buffer> buffers = {buffer(64, 0, 9), buffer(128, 0, 9)};
    buffers[1].device = &other;
    EXPECT_EQ(place_buffers(buffers, nullptr, kAlignment).of(Region::arena), 64u);
    EXPECT_EQ(place_buffers(buffers, &other, kAlignment).of(Region::arena), 128u);
}

TEST(Layout, OutputsHaveMemoryOfTheirOwn) {
    std::vector<Buffer> buffers = {buffer(100, 0, 0), buffer(100, 1, 2), buffer(100, 1, 2)};
    buffers[1].region = buffers[2].region = Region::outputs;
    const Layout layout = place_buffers(buffers, nullptr, kAlignment);
    EXPECT_EQ(layout.of(Region::arena), padded(100));
    EXPECT_EQ(layout.of(Region::outputs), 2 * padded(100));
    EXPECT_NE(buffers[1].offset, buffers[2].offset);
}

TEST(Layout, StagingIsMemoryOfItsOwnAndIsUsedAgain) {
    std::vector<Buffer> buffers = {buffer(100, 0, 1), buffer(100, 1, 2), buffer(100, 3, 4)};
    buffers[1].region = buffers[2].region = Region::staging;
    const Layout layout = place_buffers(buffers, nullptr, kAlignment);
    EXPECT_EQ(layout.of(Region::arena), padded(100));
    EXPECT_EQ(layout.of(Region::staging), padded(100));
}

}  // namespace
}  // namespace ql::test
