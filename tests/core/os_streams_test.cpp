// Processes that were started without some of the standard streams.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "ggml/core/os/os.hpp"
#include "ql/os.h"
#include "tests/support/in_child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ql::test {
namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

void close_standard_streams() {
    for (const int fd : {0, 1, 2}) ::close(fd);
}

TEST(StandardStreams, NoFileOfTheLibraryGetsTheirNumbers) {
    TemporaryFolder folder;
    const int code = exit_code_in_child([&] {
        close_standard_streams();
        const auto lock = os::FileLock::take(folder.path("lock"));
        auto journal = os::Journal::open(folder.path("journal"));
        auto file = os::SafeFile::create(folder.path("file"), 0);
        if (!lock.ok() || !journal.ok() || !file.ok()) return 1;
        if (is_open(0) || is_open(1) || is_open(2)) return 2;
        (void)!::write(2, "said", 4);
        if (!journal->append("line\n").ok() || !file->append("data", 4).ok() || !file->commit().ok()) return 3;
        return 0;
    });
    EXPECT_EQ(code, 0);
    EXPECT_EQ(read_all(folder.path("journal")), "line\n");
    EXPECT_EQ(read_all(folder.path("file")), "data");
}

TEST(StandardStreams, AreOpenedInThePlaceOfClosedOnesAndFailAsThose) {
    const int code = exit_code_in_child([] {
        close_standard_streams();
        if (ql_os_open_standard_streams() != QL_OK) return 1;
        if (::open("/dev/null", O_RDONLY) <= 2) return 2;
        char c = 0;
        if (::read(0, &c, 1) != -1 || errno != EBADF) return 3;
        for (const int fd : {1, 2})
            if (::write(fd, "x", 1) != -1 || errno != EBADF) return 4;
        return 0;
    });
    EXPECT_EQ(code, 0);
}

TEST(StandardStreams, ThatAreThereStayAsTheyAre) {
    TemporaryFolder folder;
    const int code = exit_code_in_child([&] {
        ::close(2);
        if (::open(folder.path("said").c_str(), O_WRONLY | O_CREAT, 0600) != 2) return 1;
        if (ql_os_open_standard_streams() != QL_OK) return 2;
        return ::write(2, "said", 4) == 4 ? 0 : 3;
    });
    EXPECT_EQ(code, 0);
    EXPECT_EQ(read_all(folder.path("said")), "said");
}

}  // namespace
}  // namespace ql::test
