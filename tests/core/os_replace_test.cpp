// Replacing a file only by one that was found good, syncing, and what killed processes leave behind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "ggml/core/os/os.hpp"
#include "ql/os.h"
#include "tests/support/temporary_folder.hpp"

namespace ql::test {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

/// The id of no living process.
std::string dead_number() {
    const pid_t dead = ::fork();
    if (dead == 0) ::_exit(0);
    ::waitpid(dead, nullptr, 0);
    return std::to_string(dead);
}

Names sorted(Names names) {
    std::sort(names.begin(), names.end());
    return names;
}

TEST(ReplaceFile, GivesTheNameWhenTheFileIsDone) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    const Status status = os::replace_file(path, [&](const std::string & temporary) {
        QL_TRY(os::write_file(temporary, "new"));
        EXPECT_EQ(read_all(path), "old");
        return Status();
    });
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(read_all(path), "new");
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(ReplaceFile, KeepsTheOldFileWhereTheNewOneIsRefused) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    const Status status = os::replace_file(path, [&](const std::string & temporary) {
        QL_TRY(os::write_file(temporary, "new"));
        return error(QL_BAD_FILE, "%s: faulty, says the reader of %s", temporary.c_str(), temporary.c_str());
    });
    EXPECT_EQ(status.code(), QL_BAD_FILE);
    EXPECT_EQ(status.message(), path + ": faulty, says the reader of " + path);
    EXPECT_EQ(read_all(path), "old");
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(ReplaceFile, IsAnErrorWhereNothingWasWritten) {
    TemporaryFolder folder;
    EXPECT_EQ(os::replace_file(folder.path("f"), [](const std::string &) { return Status(); }).code(), QL_NOT_FOUND);
    EXPECT_EQ(folder.names(), Names{});
}

TEST(ReplaceFile, FollowsALinkAndKeepsPermissions) {
    TemporaryFolder folder;
    const std::string target = folder.write("target", "old");
    const auto owner_alone = fs::perms::owner_read | fs::perms::owner_write;
    fs::permissions(target, owner_alone);
    fs::create_symlink("target", folder.path("link"));
    const auto make = [](const std::string & temporary) { return os::write_file(temporary, "new"); };
    ASSERT_TRUE(os::replace_file(folder.path("link"), make).ok());
    EXPECT_TRUE(fs::is_symlink(folder.path("link")));
    EXPECT_EQ(read_all(target), "new");
    EXPECT_EQ(fs::status(target).permissions(), owner_alone);
}

/// Leaves what a process leaves that is killed while it makes the file: after a whole file, or in the middle of it.
void die_while_replacing(const std::string & path, bool whole) {
    const pid_t child = ::fork();
    if (child == 0) {
        (void)os::replace_file(path, [&](const std::string & temporary) -> Status {
            if (whole) QL_TRY(os::write_file(temporary, "new"));
            QL_ASSIGN(os::SafeFile part, os::SafeFile::create(temporary, 0));
            QL_TRY(part.append("ne", 2));
            ::raise(SIGKILL);
            return {};
        });
        ::_exit(1);
    }
    ::waitpid(child, nullptr, 0);
}

TEST(ReplaceFile, WhatAKilledProcessLeavesIsRemovedByTheNextWriter) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    die_while_replacing(path, true);
    die_while_replacing(path, false);
    EXPECT_EQ(read_all(path), "old");
    EXPECT_GE(folder.names().size(), 3u);
    ASSERT_EQ(ql_os_check_writable(path.c_str()), QL_OK) << ql_error_message();
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(ReplaceFile, LeavesTheFilesOfOthers) {
    TemporaryFolder folder;
    const std::string number = dead_number();
    const std::string owner = folder.write("f.tmp-" + number, "");  // of a process on another machine: locked
    const int fd = ::open(owner.c_str(), O_RDWR);
    ASSERT_EQ(::flock(fd, LOCK_EX), 0);
    Names names = {"f.tmp-" + number + ".new", "f.tmp-" + number + ".newer", "f.tmp-" + number + ".new.tmp-",
                   "f.tmp-" + number + ".new.tmp-x", "g.tmp-" + number + ".new"};
    for (const std::string & name : names) folder.write(name, "part");
    ASSERT_TRUE(os::write_file(folder.path("f"), "new").ok());
    names.insert(names.end(), {"f", "f.tmp-" + number});
    EXPECT_EQ(sorted(folder.names()), sorted(names));
    ::close(fd);
    ASSERT_TRUE(os::write_file(folder.path("f"), "new").ok());
    names.erase(names.begin());
    names.pop_back();
    EXPECT_EQ(sorted(folder.names()), sorted(names));
}

TEST(ReplaceFile, NamesThatAreTooLongForItAreFoundAhead) {
    TemporaryFolder folder;
    const auto make = [](const std::string & temporary) { return os::write_file(temporary, "new"); };
    int fit = 0;
    for (size_t length = 200; length <= 255; ++length) {
        const std::string path = folder.path(std::string(length, 'n'));
        const bool writable = ql_os_check_writable(path.c_str()) == QL_OK;
        EXPECT_EQ(writable, os::replace_file(path, make).ok()) << length;
        EXPECT_EQ(std::string(ql_error_message()).find(".tmp-"), std::string::npos) << ql_error_message();
        fit += writable;
    }
    EXPECT_GT(fit, 0);
    EXPECT_LT(fit, 56);
}

TEST(ReplaceFile, ThreadsThatReplaceTheSamePathLeaveOneWholeFile) {
    TemporaryFolder folder;
    const std::string path = folder.path("f");
    std::vector<std::thread> threads;
    for (char c = 'a'; c < 'e'; c++)
        threads.emplace_back([&, c] {
            const std::string data(10000, c);
            for (int i = 0; i < 20; i++)
                (void)os::replace_file(path, [&](const std::string & temporary) -> Status {
                    QL_TRY(os::write_file(temporary, data));
                    EXPECT_EQ(read_all(temporary), data) << "another thread's";
                    return {};
                });
        });
    for (std::thread & thread : threads) thread.join();
    const std::string data = read_all(path);
    ASSERT_EQ(data.size(), 10000u);
    EXPECT_EQ(data, std::string(10000, data[0]));
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(ReplaceFile, PassesOnWhatTheCallersFunctionSays) {
    TemporaryFolder folder;
    const std::string path = folder.path("f");
    const auto fill = [](void * text, const char * temporary) { return ql_os_write_file(temporary, text, 3); };
    char text[] = "new";
    EXPECT_EQ(ql_os_replace_file(path.c_str(), fill, text), QL_OK) << ql_error_message();
    EXPECT_EQ(read_all(path), "new");

    const auto refuse = [](void *, const char *) { return QL_BAD_SHAPE; };
    EXPECT_EQ(ql_os_replace_file(path.c_str(), refuse, nullptr), QL_BAD_SHAPE);
    EXPECT_EQ(ql_error_message(), path + ": what was to be put there was refused");
    const auto into_nowhere = [](void *, const char * temporary) {
        return ql_os_write_file((std::string(temporary) + "/f").c_str(), "", 0);
    };
    EXPECT_EQ(ql_os_replace_file(path.c_str(), into_nowhere, nullptr), QL_NOT_FOUND);
    EXPECT_EQ(std::string(ql_error_message()).rfind(path + "/f: ", 0), 0u) << ql_error_message();

    EXPECT_EQ(ql_os_replace_file(nullptr, fill, text), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_os_replace_file(path.c_str(), nullptr, text), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_os_replace_file(folder.path("absent/f").c_str(), fill, text), QL_NOT_FOUND);
    EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(SyncFile, IsForFilesThatAreThere) {
    TemporaryFolder folder;
    const std::string path = folder.write("f", "text");
    EXPECT_EQ(ql_os_sync_file(path.c_str()), QL_OK) << ql_error_message();
    EXPECT_EQ(ql_os_sync_file(folder.path("absent").c_str()), QL_NOT_FOUND);
    EXPECT_EQ(ql_os_sync_file(nullptr), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_os_sync_file("/dev/null"), QL_IO) << "nothing there outlives anything";
}

}  // namespace
}  // namespace ql::test
