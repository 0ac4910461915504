// Locks between processes, memory figures, cores.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "ggml/core/os/os.hpp"
#include "ql/os.h"
#include "tests/support/temporary_folder.hpp"

namespace ql::test {
namespace {

TEST(OsLock, IsRefusedInTheSameProcess) {
    TemporaryFolder folder;
    ql_os_lock *first = nullptr, *second = nullptr;
    ASSERT_EQ(ql_os_lock_file(folder.path("lock").c_str(), &first), QL_OK) << ql_error_message();
    EXPECT_EQ(ql_os_lock_file(folder.path("lock").c_str(), &second), QL_INVALID_ARGUMENT);
    EXPECT_NE(std::string(ql_error_message()).find("by this process (" + std::to_string(::getpid())), std::string::npos)
        << ql_error_message();
    EXPECT_EQ(second, nullptr);
    ql_os_unlock_file(first);
    ASSERT_EQ(ql_os_lock_file(folder.path("lock").c_str(), &first), QL_OK) << ql_error_message();
    ql_os_unlock_file(first);
    ql_os_unlock_file(nullptr);
    EXPECT_TRUE(folder.names().empty()) << "the empty lock file goes with the lock";
}

TEST(OsLock, FollowsNoLink) {
    TemporaryFolder folder;
    std::filesystem::create_symlink("elsewhere", folder.path("lock"));
    ql_os_lock * lock = nullptr;
    EXPECT_NE(ql_os_lock_file(folder.path("lock").c_str(), &lock), QL_OK);
    EXPECT_NE(std::string(ql_error_message()).find("is a link"), std::string::npos) << ql_error_message();
    EXPECT_EQ(folder.names(), std::vector<std::string>{"lock"});
}

TEST(OsLock, NamesTheOtherProcessAndEndsWithIt) {
    TemporaryFolder folder;
    const std::string path = folder.path("lock");
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ql_os_lock * lock = nullptr;
        const char ok = ql_os_lock_file(path.c_str(), &lock) == QL_OK ? '1' : '0';
        (void)!::write(ready[1], &ok, 1);
        for (;;) ::pause();
    }
    char ok = '?';
    ASSERT_EQ(::read(ready[0], &ok, 1), 1);
    EXPECT_EQ(ok, '1');
    ql_os_lock * lock = nullptr;
    EXPECT_EQ(ql_os_lock_file(path.c_str(), &lock), QL_INVALID_ARGUMENT);
    EXPECT_EQ(std::string(ql_error_message()), path + ": in use by process " + std::to_string(child));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(ql_os_lock_file(path.c_str(), &lock), QL_OK) << ql_error_message();
    ql_os_unlock_file(lock);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST(OsLock, KeepsTheContentOfTheFile) {
    TemporaryFolder folder;
    const std::string path = folder.write("data", "content");
    ql_os_lock * lock = nullptr;
    ASSERT_EQ(ql_os_lock_file(path.c_str(), &lock), QL_OK);
    ql_os_unlock_file(lock);
    EXPECT_EQ(read_all(path), "content");
    EXPECT_EQ(ql_os_lock_file(folder.path("absent/lock").c_str(), &lock), QL_NOT_FOUND);
    EXPECT_EQ(ql_os_lock_file(folder.path("").c_str(), &lock), QL_IO);
}

TEST(OsLock, IsHeldByOneOfManyThreadsAtATime) {
    TemporaryFolder folder;
    std::atomic<int> inside{0}, most{0}, taken{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < 200; i++) {
                auto lock = os::FileLock::take(folder.path("lock"));
                if (!lock.ok()) continue;
                const int now = ++inside;
                if (now > most) most = now;
                taken++;
                inside--;
            }
        });
    for (std::thread & thread : threads) thread.join();
    EXPECT_EQ(most, 1);
    EXPECT_GT(taken, 0);
}

TEST(OsProcess, TellsMemoryAndTime) {
    const uint64_t before = ql_os_rss();
    EXPECT_GT(before, 1u << 20);
    std::string block(64 << 20, 'x');
    EXPECT_GE(ql_os_rss(), before + (60u << 20)) << block.size();
    std::string().swap(block);
    EXPECT_GE(ql_os_peak_rss(), before + (60u << 20)) << "the peak stays";
    EXPECT_GE(ql_os_peak_rss(), ql_os_rss());
    EXPECT_GT(ql_os_memory(), ql_os_rss());
    EXPECT_GT(ql_os_available_memory(), 0u);
    EXPECT_LT(ql_os_available_memory(), ql_os_memory());
    const double start = ql_os_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_GE(ql_os_seconds() - start, 0.02);
}

TEST(OsProcess, TerminalHasAWidthEvenWhereThereIsNone) {
    int columns = 0;
    EXPECT_EQ(ql_os_is_terminal(99, &columns), 0) << "no such stream";
    EXPECT_EQ(columns, 80);
    EXPECT_EQ(ql_os_is_terminal(99, nullptr), 0);
}

TEST(OsCores, CountsHyperThreadsOnce) {
    TemporaryFolder folder;
    const auto add = [&](int cpu, const char * file, const char * siblings) {
        const std::string topology = "cpu" + std::to_string(cpu) + "/topology";
        ASSERT_EQ(ql_os_make_directory(folder.path(topology).c_str()), QL_OK);
        folder.write(topology + "/" + file, std::string(siblings) + "\n");
    };
    add(0, "core_cpus_list", "0,4");
    add(4, "core_cpus_list", "0,4");
    add(1, "thread_siblings_list", "1,5");
    add(5, "thread_siblings_list", "1,5");
    EXPECT_EQ(os::count_cores({0, 1, 4, 5}, folder.path("")), 2);
    EXPECT_EQ(os::count_cores({0, 4}, folder.path("")), 1);
    EXPECT_EQ(os::count_cores({4}, folder.path("")), 1);
    EXPECT_EQ(os::count_cores({0, 8, 9}, folder.path("")), 3) << "without information each counts";
    EXPECT_EQ(os::count_cores({}, folder.path("")), 0);
}

TEST(OsCores, RespectsAffinity) {
    EXPECT_GE(ql_os_physical_cores(), 1);
    EXPECT_LE(ql_os_physical_cores(), static_cast<int>(std::thread::hardware_concurrency()));
    const std::vector<int> allowed = os::allowed_processors();
    ASSERT_FALSE(allowed.empty());
    std::thread([&] {  // the mask belongs to a thread
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(allowed.back(), &one);
        ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
        EXPECT_EQ(os::allowed_processors(), std::vector<int>{allowed.back()});
        EXPECT_EQ(ql_os_physical_cores(), 1);
    })
        .join();
}

}  // namespace
}  // namespace ql::test
