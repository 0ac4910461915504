// Files and folders: written whole or not at all, nothing left behind, one message that names the path.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "ggml/core/os/os.hpp"
#include "ql/os.h"
#include "tests/support/temporary_folder.hpp"

namespace ql::test {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

TEST(OsFiles, WritesAndReadsAFile) {
    TemporaryFolder folder;
    const std::string path = folder.path("f"), data("a\0b\n", 4);
    ASSERT_EQ(ql_os_write_file(path.c_str(), data.data(), data.size()), QL_OK) << ql_error_message();
    char * read = nullptr;
    size_t size = 0;
    ASSERT_EQ(ql_os_read_file(path.c_str(), 0, &read, &size), QL_OK) << ql_error_message();
    EXPECT_EQ(std::string(read, size), data);
    EXPECT_EQ(read[size], '\0');
    ql_os_free(read);
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(OsFiles, ReadsEmptyFilesAndFilesWithoutASize) {
    TemporaryFolder folder;
    auto empty = os::read_file(folder.write("f", ""), 0);
    ASSERT_TRUE(empty.ok()) << empty.message();
    EXPECT_EQ(empty->size, 0u);
    EXPECT_EQ(empty->data.get()[0], '\0');
    auto status = os::read_file("/proc/self/status", 0);  // whose size the system gives as 0
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_GT(status->size, 100u);
}

TEST(OsFiles, LimitsWhatItReads) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", std::string(10000, 'x'));
    EXPECT_EQ(os::read_file(path, 9999).code(), QL_BAD_FILE);
    EXPECT_TRUE(os::read_file(path, 10000).ok());
    EXPECT_EQ(os::read_file("/proc/self/status", 10).code(), QL_BAD_FILE);
    EXPECT_EQ(os::read_file("/dev/zero", 100000).code(), QL_BAD_FILE) << "never ends";
}

TEST(OsFiles, ReportsWhatCannotBeRead) {
    TemporaryFolder folder;
    char * data = nullptr;
    size_t size = 0;
    EXPECT_EQ(ql_os_read_file(folder.path("absent").c_str(), 0, &data, &size), QL_NOT_FOUND);
    EXPECT_EQ(std::string(ql_error_message()), folder.path("absent") + ": cannot open: No such file or directory");
    EXPECT_EQ(ql_os_read_file(folder.path("").c_str(), 0, &data, &size), QL_IO);
    EXPECT_NE(std::string(ql_error_message()).find("is a directory"), std::string::npos);
    EXPECT_EQ(ql_os_read_file(nullptr, 0, &data, &size), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_os_read_file("x", 0, nullptr, &size), QL_INVALID_ARGUMENT);
    EXPECT_EQ(data, nullptr);
}

TEST(MappedFile, ForgottenPagesAreReadAgain) {
    const TemporaryFolder folder;
    const std::string text(5 * os::kPageBytes, 'x');
    auto map = os::MappedFile::open(folder.write("f", text));
    ASSERT_TRUE(map.ok());
    const std::string outside(4 * os::kPageBytes, 'y');
    map->forget(map->data() + 1, 4 * os::kPageBytes);
    map->forget(outside.data(), outside.size());
    EXPECT_EQ(0, std::memcmp(map->data(), text.data(), text.size()));
    EXPECT_EQ(std::string::npos, outside.find_first_not_of('y'));
}

TEST(Pages, AreZeroAlignedAndOfAnySize) {
    for (const size_t bytes : {size_t{1}, size_t{4097}, size_t{5} << 20, (size_t{9} << 20) + 1}) {
        auto pages = os::allocate_pages(bytes);
        ASSERT_TRUE(pages.ok());
        auto * p = static_cast<unsigned char *>(*pages);
        EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(p) % (bytes >= size_t{4} << 20 ? size_t{2} << 20 : os::kPageBytes));
        EXPECT_EQ(0, p[0] | p[bytes / 2] | p[bytes - 1]);
        std::memset(p, 1, bytes);
        os::release_pages(p, bytes);
    }
    EXPECT_EQ(QL_NO_MEMORY, os::allocate_pages(SIZE_MAX - 5000).code());
    EXPECT_EQ(QL_NO_MEMORY, os::allocate_pages(SIZE_MAX / 2).code());
}

TEST(OsFiles, MapsAFile) {
    TemporaryFolder folder;
    auto map = os::MappedFile::open(folder.write("f", "hello"));
    ASSERT_TRUE(map.ok()) << map.message();
    EXPECT_EQ(std::string(reinterpret_cast<const char *>(map->data()), map->size()), "hello");
    auto empty = os::MappedFile::open(folder.write("e", ""));
    ASSERT_TRUE(empty.ok()) << empty.message();
    EXPECT_EQ(empty->size(), 0u);
    EXPECT_EQ(os::MappedFile::open(folder.path("absent")).code(), QL_NOT_FOUND);
    EXPECT_EQ(os::MappedFile::open(folder.path("")).code(), QL_IO);
    ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
    EXPECT_EQ(os::MappedFile::open(folder.path("pipe")).code(), QL_IO) << "must not wait for a writer";
}

TEST(OsFiles, APipeIsReadIfSomebodyWritesToItAndNotWaitedForElse) {
    TemporaryFolder folder;
    const std::string pipe = folder.path("pipe");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const auto nobody = os::read_file(pipe, 0);
    EXPECT_EQ(nobody.code(), QL_IO);
    EXPECT_NE(nobody.message().find("nobody writes"), std::string::npos) << nobody.message();

    const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK), writer = ::open(pipe.c_str(), O_WRONLY);
    ASSERT_EQ(::write(writer, "hel", 3), 3);
    std::thread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        (void)!::write(writer, "lo", 2);
        ::close(writer);
    });
    const auto all = os::read_file(pipe, 0);
    later.join();
    ::close(reader);
    ASSERT_TRUE(all.ok()) << all.message();
    EXPECT_EQ(std::string(all->data.get(), all->size), "hello");
}

TEST(SafeFile, TemporariesGoAtTheWordOfASignalHandler) {
    TemporaryFolder folder;
    {
        auto one = os::SafeFile::create(folder.path("one"), 0), two = os::SafeFile::create(folder.path("two"), 0);
        ASSERT_TRUE(one.ok() && two.ok());
        ASSERT_TRUE(two->commit().ok());
        EXPECT_EQ(folder.names().size(), 2u);
        ql_os_remove_temporaries();
        EXPECT_EQ(folder.names(), std::vector<std::string>{"two"});
    }
    folder.write("one", "");
    ql_os_remove_temporaries();  // no temporary file is noted any more
    EXPECT_EQ(folder.names().size(), 2u);
}

TEST(OsFiles, EmptyLocksAndFoldersGoAtTheWordOfASignalHandler) {
    TemporaryFolder folder;
    for (const char * made : {"empty/a/b", "full/c"})
        ASSERT_EQ(ql_os_make_directory(folder.path(made).c_str()), QL_OK) << ql_error_message();
    std::filesystem::create_directory(folder.path("another's"));
    folder.write("full/f", "");
    ql_os_lock *empty = nullptr, *written = nullptr;
    ASSERT_EQ(ql_os_lock_file(folder.path("empty/a/b/lock").c_str(), &empty), QL_OK) << ql_error_message();
    folder.write("written", "by somebody");
    ASSERT_EQ(ql_os_lock_file(folder.path("written").c_str(), &written), QL_OK) << ql_error_message();
    const auto names = [&] {
        std::vector<std::string> sorted = folder.names();
        std::sort(sorted.begin(), sorted.end());
        return sorted;
    };
    ql_os_remove_temporaries();
    EXPECT_EQ(names(), (std::vector<std::string>{"another's", "full", "written"}));
    EXPECT_FALSE(std::filesystem::exists(folder.path("full/c")));
    ql_os_unlock_file(empty);
    ql_os_unlock_file(written);
    folder.write("empty", "");
    ql_os_remove_temporaries();  // no lock is noted any more, and a file is no folder
    EXPECT_EQ(names(), (std::vector<std::string>{"another's", "empty", "full", "written"}));
}

TEST(OsFiles, AMappingKeepsItsBytesWhenTheFileIsReplaced) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    ql_os_map * map = nullptr;
    const void * data = nullptr;
    size_t size = 0;
    ASSERT_EQ(ql_os_map_file(path.c_str(), &map, &data, &size), QL_OK) << ql_error_message();
    ASSERT_EQ(ql_os_write_file(path.c_str(), "newer", 5), QL_OK);
    EXPECT_EQ(std::string(static_cast<const char *>(data), size), "old");
    ql_os_unmap_file(map);
    ql_os_unmap_file(nullptr);
    EXPECT_EQ(ql_os_map_file(folder.path("absent").c_str(), &map, &data, &size), QL_NOT_FOUND);
    EXPECT_EQ(ql_os_map_file(nullptr, &map, &data, &size), QL_INVALID_ARGUMENT);
}

TEST(SafeFile, IsNotThereUntilCommitted) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    const std::string temporary = "f.tmp-" + std::to_string(::getpid());
    auto file = os::SafeFile::create(path, 3);
    ASSERT_TRUE(file.ok()) << file.message();
    ASSERT_TRUE(file->append("new", 3).ok());
    EXPECT_EQ(read_all(path), "old");
    EXPECT_TRUE(fs::exists(folder.path(temporary)));
    ASSERT_TRUE(file->commit().ok());
    EXPECT_EQ(read_all(path), "new");
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(SafeFile, LeavesNothingWhenDropped) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    {
        auto file = os::SafeFile::create(path, 3);
        ASSERT_TRUE(file.ok()) << file.message();
        ASSERT_TRUE(file->append("new", 3).ok());
    }
    EXPECT_EQ(read_all(path), "old");
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(SafeFile, TakesOverTheTemporaryOfADeadProcessOfTheSameNumber) {
    TemporaryFolder folder;
    folder.write("f.tmp-" + std::to_string(::getpid()), "a longer rest than what is written now");
    ASSERT_TRUE(os::write_file(folder.path("f"), "new").ok());
    EXPECT_EQ(read_all(folder.path("f")), "new");
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(SafeFile, NeverWritesIntoWhatSomebodyPutAtTheTemporarysName) {
    TemporaryFolder folder;
    const std::string victim = folder.write("victim", "precious"), path = folder.path("f"),
                      temporary = path + ".tmp-" + std::to_string(::getpid());
    fs::create_hard_link(victim, temporary);
    EXPECT_TRUE(os::write_file(path, "new").ok()) << "a second name of the victim may go";
    EXPECT_EQ(read_all(path), "new");
    EXPECT_EQ(read_all(victim), "precious");

    fs::create_symlink(victim, temporary);
    const Status linked = os::write_file(path, "newer");
    EXPECT_EQ(linked.code(), QL_IO);
    EXPECT_NE(linked.message().find(temporary + " is in the way"), std::string::npos) << linked.message();
    fs::remove(temporary);
    ASSERT_EQ(::mkfifo(temporary.c_str(), 0600), 0);
    EXPECT_EQ(os::write_file(path, "newer").code(), QL_IO) << "and nobody waits for a reader of it";
    EXPECT_EQ(read_all(path), "new");
    EXPECT_EQ(read_all(victim), "precious");
}

TEST(SafeFile, RemovesTheTemporariesOfKilledWritersOnly) {
    TemporaryFolder folder;
    const std::string path = folder.path("f"), parent = "f.tmp-" + std::to_string(::getppid());
    const pid_t dead = ::fork();
    if (dead == 0) ::_exit(0);
    ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);  // the id of no living process
    const std::string number = std::to_string(dead);
    for (const std::string & name :
         {"f.tmp-" + number, parent, "g.tmp-" + number, "f.tmp-" + number + "x", std::string("f.tmp-")})
        folder.write(name, "part");
    ASSERT_TRUE(os::write_file(path, "new").ok());
    Names left = folder.names(), expected = {"f", parent, "g.tmp-" + number, "f.tmp-" + number + "x", "f.tmp-"};
    std::sort(left.begin(), left.end()), std::sort(expected.begin(), expected.end());
    EXPECT_EQ(left, expected);
    EXPECT_EQ(read_all(path), "new");
}

TEST(SafeFile, FollowsALinkAndKeepsPermissions) {
    TemporaryFolder folder;
    const std::string target = folder.write("target", "old");
    fs::permissions(target, fs::perms::owner_read | fs::perms::owner_write);
    fs::create_symlink("target", folder.path("link"));
    ASSERT_TRUE(os::write_file(folder.path("link"), "new").ok());
    EXPECT_TRUE(fs::is_symlink(folder.path("link")));
    EXPECT_EQ(read_all(target), "new");
    EXPECT_EQ(fs::status(target).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST(SafeFile, RefusesTargetsThatAreNoFiles) {
    TemporaryFolder folder;
    folder.write("file", "");
    ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
    const std::vector<std::pair<std::string, ql_status>> cases = {
        {folder.path(""), QL_IO},
        {folder.path("."), QL_IO},
        {folder.path("absent/f"), QL_NOT_FOUND},
        {folder.path("file/f"), QL_IO},
        {folder.path("pipe"), QL_IO},
        {"/dev/null", QL_IO},
        {"", QL_INVALID_ARGUMENT},
        {folder.path(std::string(300, 'n')), QL_IO},
    };
    for (const auto & [path, code] : cases) {
        EXPECT_EQ(ql_os_write_file(path.c_str(), "x", 1), code) << path << ": " << ql_error_message();
        EXPECT_EQ(ql_os_check_writable(path.c_str()), code) << path << ": " << ql_error_message();
    }
    EXPECT_EQ(folder.names().size(), 2u);
}

TEST(SafeFile, RefusesAFolderThatIsNotWritable) {
    if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
    TemporaryFolder folder;
    ASSERT_EQ(ql_os_make_directory(folder.path("d").c_str()), QL_OK);
    fs::permissions(folder.path("d"), fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_EQ(ql_os_check_writable(folder.path("d/f").c_str()), QL_IO);
    fs::permissions(folder.path("d"), fs::perms::owner_all);
}

TEST(SafeFile, CheckWritableLeavesEverythingAsItWas) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    EXPECT_EQ(ql_os_check_writable(path.c_str()), QL_OK);
    EXPECT_EQ(ql_os_check_writable(folder.path("g").c_str()), QL_OK);
    EXPECT_EQ(read_all(path), "old");
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(SafeFile, AWriteThatFailsHalfwayLeavesTheOldFile) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    struct rlimit before, small;
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1 << 20;
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const Status status = os::write_file(path, std::string(3 << 20, 'x'));
    ::setrlimit(RLIMIT_FSIZE, &before);
    ::signal(SIGXFSZ, handler);
    EXPECT_EQ(status.code(), QL_NO_SPACE) << status.message();
    EXPECT_NE(status.message().find("file too large"), std::string::npos) << status.message();
    EXPECT_EQ(read_all(path), "old");
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(SafeFile, ThreadsThatWriteTheSamePathLeaveOneWholeFile) {
    TemporaryFolder folder;
    const std::string path = folder.path("f");
    std::vector<std::thread> threads;
    for (char c = 'a'; c < 'e'; c++)
        threads.emplace_back([&, c] {
            for (int i = 0; i < 20; i++) (void)os::write_file(path, std::string(100000, c));
        });
    for (std::thread & thread : threads) thread.join();
    const std::string data = read_all(path);
    ASSERT_EQ(data.size(), 100000u);
    EXPECT_EQ(data, std::string(100000, data[0]));
    EXPECT_EQ(folder.names(), Names{"f"});
}

/// A tmpfs of one megabyte; `mounted` is false if the system does not allow it.
struct SmallDisk {
    TemporaryFolder folder;
    std::string path = folder.path("");
    bool mounted = ::mount("none", path.c_str(), "tmpfs", 0, "size=1m") == 0;
    ~SmallDisk() {
        if (mounted) ::umount2(path.c_str(), MNT_DETACH);
    }
};

TEST(FullDisk, IsReportedBeforeAnythingIsWritten) {
    SmallDisk disk;
    if (!disk.mounted) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
    const std::string path = disk.folder.write("f", "old");
    const std::string large(2 << 20, 'x');
    EXPECT_EQ(ql_os_write_file(path.c_str(), large.data(), large.size()), QL_NO_SPACE);
    EXPECT_NE(std::string(ql_error_message()).find("needs 2.00 MiB and 1020 KiB are free"), std::string::npos)
        << ql_error_message();
    EXPECT_EQ(read_all(path), "old");
    EXPECT_EQ(disk.folder.names(), Names{"f"});
    uint64_t bytes = 0;
    EXPECT_EQ(ql_os_free_space(disk.folder.path("not/there/yet").c_str(), &bytes), QL_OK);
    EXPECT_GT(bytes, 0u);
    EXPECT_LE(bytes, 1u << 20);
}

TEST(FullDisk, IsReportedWhenItFillsUpWhileWriting) {
    SmallDisk disk;
    if (!disk.mounted) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
    const std::string path = disk.folder.write("f", "old");
    {
        auto file = os::SafeFile::create(path, 10);  // announces far too few bytes
        ASSERT_TRUE(file.ok()) << file.message();
        const std::string large(2 << 20, 'x');
        EXPECT_EQ(file->append(large.data(), large.size()).code(), QL_NO_SPACE);
    }
    EXPECT_EQ(read_all(path), "old");
    EXPECT_EQ(disk.folder.names(), Names{"f"});
}

TEST(OsFolders, MakesAFolderAndItsParents) {
    TemporaryFolder folder;
    EXPECT_EQ(ql_os_make_directory(folder.path("a/b//c/").c_str()), QL_OK) << ql_error_message();
    EXPECT_TRUE(fs::is_directory(folder.path("a/b/c")));
    EXPECT_EQ(ql_os_make_directory(folder.path("a/b/c").c_str()), QL_OK) << "there already";
    EXPECT_EQ(ql_os_make_directory("/"), QL_OK);
    folder.write("file", "");
    EXPECT_EQ(ql_os_make_directory(folder.path("file").c_str()), QL_IO);
    EXPECT_EQ(ql_os_make_directory(folder.path("file/d").c_str()), QL_IO);
    EXPECT_EQ(ql_os_make_directory(""), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_os_make_directory(nullptr), QL_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace ql::test
