// The C face of errors.
#include "common/guarded.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

namespace ql::test {
namespace {

TEST(Status, KeepsTheMessageOfTheLastFailureOfEachThread) {
    EXPECT_EQ(leave_error(error(QL_BAD_SHAPE, "here: %d", 7)), QL_BAD_SHAPE);
    std::thread([] {
        EXPECT_STREQ(ql_error_message(), "");
        EXPECT_EQ(leave_error(error(QL_IO, "there")), QL_IO);
        EXPECT_STREQ(ql_error_message(), "there");
    }).join();
    EXPECT_STREQ(ql_error_message(), "here: 7");
    EXPECT_EQ(leave_error(Status()), QL_OK);
    EXPECT_STREQ(ql_error_message(), "here: 7") << "a success must not erase it";
}

TEST(Status, MessagesAreOneLineWithoutControlCharacters) {
    (void)leave_error(error(QL_IO, "a\nb\x1b[31m\x7f \xc3\xa9"));
    EXPECT_STREQ(ql_error_message(), "a?b?[31m? \xc3\xa9");
}

TEST(Status, CutsAMessageThatIsTooLong) {
    (void)leave_error(Status(QL_IO, std::string(100000, 'x')));
    EXPECT_EQ(std::string(ql_error_message()), std::string(2047, 'x'));
}

TEST(Status, GuardLetsNoExceptionOut) {
    EXPECT_EQ(guarded([]() -> Status { throw std::bad_alloc(); }), QL_NO_MEMORY);
    EXPECT_STREQ(ql_error_message(), "out of memory");
    EXPECT_EQ(guarded([]() -> Status { throw 5; }), QL_INTERNAL);
    EXPECT_EQ(guarded([]() -> Status { return {}; }), QL_OK);
    EXPECT_EQ(guarded([]() -> Status { return error(QL_BAD_FILE, "x"); }), QL_BAD_FILE);
    EXPECT_STREQ(ql_error_message(), "x");
}

TEST(Status, EveryCodeHasItsName) {
    std::set<std::string> names;
    for (int code = QL_OK; code <= QL_INTERNAL; code++) names.insert(ql_status_name(static_cast<ql_status>(code)));
    EXPECT_EQ(names.size(), static_cast<size_t>(QL_INTERNAL) + 1);
    EXPECT_EQ(names.count("unknown status"), 0u);
    EXPECT_STREQ(ql_status_name(static_cast<ql_status>(QL_INTERNAL + 1)), "unknown status");
    EXPECT_STREQ(ql_version(), QL_VERSION);
}

}  // namespace
}  // namespace ql::test
