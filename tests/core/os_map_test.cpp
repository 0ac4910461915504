// Mapped files that another program cuts short: the bus error can be traced to its file.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "ggml/core/os/os.hpp"
#include "ql/os.h"
#include "tests/support/in_child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ql::test {
namespace {

std::string expected_path;

TEST(OsMap, ABusErrorOnAFileThatWasCutNamesIt) {
    TemporaryFolder folder;
    const std::string other = folder.write("other", "text");
    expected_path = folder.write("cut", std::string(3 * os::kPageBytes, 'x'));
    EXPECT_EQ(9, exit_code_in_child([&] {
                  const auto first = os::MappedFile::open(other);
                  const auto map = os::MappedFile::open(expected_path);
                  if (!first.ok() || !map.ok() || ::truncate(expected_path.c_str(), 0) != 0) return 1;
                  struct sigaction action = {};
                  action.sa_flags = SA_SIGINFO;
                  action.sa_sigaction = [](int, siginfo_t * info, void *) {
                      const char * path = ql_os_mapped_path(info->si_addr);
                      ::_exit(path && path == expected_path ? 9 : 2);
                  };
                  ::sigaction(SIGBUS, &action, nullptr);
                  return static_cast<const volatile uint8_t *>(map->data())[2 * os::kPageBytes] == 'x' ? 3 : 4;
              }));
}

TEST(OsMap, APathIsKnownAsLongAsItsFileIsMapped) {
    TemporaryFolder folder;
    const std::string a = folder.write("a", "text"), b = folder.write("b", "text");
    const void * was_a = nullptr;
    {
        auto map = os::MappedFile::open(a);
        ASSERT_TRUE(map.ok());
        const os::MappedFile moved = std::move(map).value();
        was_a = moved.data();
        EXPECT_EQ(ql_os_mapped_path(moved.data()), a);
        EXPECT_EQ(ql_os_mapped_path(moved.data() + 3), a);
        EXPECT_EQ(ql_os_mapped_path(moved.data() + 4), nullptr);
        EXPECT_EQ(ql_os_mapped_path(nullptr), nullptr);
    }
    EXPECT_EQ(ql_os_mapped_path(was_a), nullptr);
    const auto again = os::MappedFile::open(b);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(ql_os_mapped_path(again->data()), b);
}

}  // namespace
}  // namespace ql::test
