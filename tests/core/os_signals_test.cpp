// Signals: which set a flag, and which become the error of a call.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ggml/core/os/os.hpp"
#include "ql/os.h"
#include "tests/support/in_child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ql::test {
namespace {

volatile int flag = 0;

TEST(OsInterrupt, TheFirstSetsTheFlagAndTheSecondEnds) {
    EXPECT_EQ(128 + SIGINT, exit_code_in_child([] {
                  ql_os_catch_interrupt(&flag);
                  ::raise(SIGINT);
                  if (flag != SIGINT) return 1;
                  ::raise(SIGINT);
                  return 2;  // not reached
              }));
}

TEST(OsInterrupt, TheSecondLeavesNoUnfinishedFile) {
    TemporaryFolder folder;
    EXPECT_EQ(128 + SIGINT, exit_code_in_child([&] {
                  ql_os_catch_interrupt(&flag);
                  const auto file = os::SafeFile::create(folder.path("f"), 0);
                  if (!file.ok() || folder.names().size() != 1) return 1;
                  ::raise(SIGINT);
                  ::raise(SIGINT);
                  return 2;  // not reached
              }));
    EXPECT_TRUE(folder.names().empty());
}

TEST(OsInterrupt, SignalsThatAskToEndSetTheFlag) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGXCPU})
        EXPECT_EQ(0, exit_code_in_child([number] {
                      ::signal(number, SIG_DFL);  // nohup may run this test
                      ql_os_catch_interrupt(&flag);
                      ::raise(number);
                      if (flag != number) return 1;
                      flag = 0;  // handled: the next Ctrl-C is a first one again
                      ::raise(SIGINT);
                      return flag == SIGINT ? 0 : 2;
                  }))
            << ::strsignal(number);
}

TEST(OsInterrupt, AHangUpThatIsIgnoredStaysSo) {
    EXPECT_EQ(0, exit_code_in_child([] {
                  ::signal(SIGHUP, SIG_IGN);  // as nohup does
                  ql_os_catch_interrupt(&flag);
                  ::raise(SIGHUP);
                  return flag;
              }));
}

TEST(OsInterrupt, WritesThatTheSystemForbidsAreErrors) {
    TemporaryFolder folder;
    EXPECT_EQ(0, exit_code_in_child([&] {
                  ql_os_catch_interrupt(&flag);
                  int ends[2];
                  if (::pipe(ends) != 0 || ::close(ends[0]) != 0) return 1;
                  if (::write(ends[1], "x", 1) != -1 || errno != EPIPE) return 2;
                  const struct rlimit small = {1000, 1000};
                  if (::setrlimit(RLIMIT_FSIZE, &small) != 0) return 3;
                  const std::string path = folder.path("f"), large(5000, 'x');
                  if (ql_os_write_file(path.c_str(), large.data(), large.size()) != QL_NO_SPACE) return 4;
                  return std::strstr(ql_error_message(), "file too large") ? flag : 5;
              }));
    EXPECT_TRUE(folder.names().empty());
}

TEST(OsInterrupt, NullRestoresWhatWasThere) {
    EXPECT_EQ(0, exit_code_in_child([] {
                  ::signal(SIGPIPE, SIG_IGN);
                  ql_os_catch_interrupt(&flag);
                  ql_os_catch_interrupt(nullptr);
                  return ::signal(SIGPIPE, SIG_DFL) == SIG_IGN ? 0 : 1;
              }));
    EXPECT_EQ(128 + SIGHUP, exit_code_in_child([] {
                  ::signal(SIGHUP, SIG_DFL);  // nohup may run this test
                  ql_os_catch_interrupt(&flag);
                  ql_os_catch_interrupt(nullptr);
                  ::raise(SIGHUP);
                  return 0;
              }));
}

}  // namespace
}  // namespace ql::test
