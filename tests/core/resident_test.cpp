// What is in memory besides blocks, as the system tells it.
#include <gtest/gtest.h>

#include <cstring>

#include "ggml/core/os/os.hpp"
#include "ql/os.h"
#include "tests/support/temporary_folder.hpp"

namespace ql::test {
namespace {

TEST(Resident, LeavesOutWhatItIsTold) {
    constexpr size_t kBytes = size_t{16} << 20;
    auto pages = os::allocate_pages(kBytes);
    ASSERT_TRUE(pages.ok());
    std::memset(*pages, 1, kBytes);
    const ql_os_block block{*pages, kBytes};
    const uint64_t with = ql_os_rss_without(nullptr, 0), without = ql_os_rss_without(&block, 1);
    EXPECT_GE(with, kBytes);
    EXPECT_NEAR(static_cast<double>(with - without), kBytes, 1 << 20);
    os::release_pages(*pages, kBytes);
}

TEST(Resident, OfAFileIsWhatLiesBesideItsBlocks) {
    constexpr size_t kPages = 1024, kBeside = 300;
    const TemporaryFolder folder;
    const auto map = os::MappedFile::open(folder.write("f", std::string(kPages * os::kPageBytes, 'x')));
    ASSERT_TRUE(map.ok());
    const ql_os_block blocks[] = {
        {map->data() + kBeside * os::kPageBytes, 24 * os::kPageBytes},
        {map->data() + (kBeside + 24) * os::kPageBytes, (kPages - kBeside - 24) * os::kPageBytes}};
    const auto beside_of_pages = [&](size_t n) {
        map->forget(map->data(), map->size());
        const uint64_t none = ql_os_rss_without(blocks, 2);
        for (size_t p = 0; p < n; ++p)
            EXPECT_EQ('x', *const_cast<const volatile uint8_t *>(map->data() + p * os::kPageBytes));
        return static_cast<double>(ql_os_rss_without(blocks, 2) - none) / os::kPageBytes;
    };
    EXPECT_NEAR(beside_of_pages(kPages), kBeside, 20);
    EXPECT_NEAR(beside_of_pages(0), 0, 20) << "no more than is resident";
}

}  // namespace
}  // namespace ql::test
