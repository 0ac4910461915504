// The list of backends that were found (ql/backend.h).
#include <gtest/gtest.h>

#include <string>

#include "ql/backend.h"

namespace ql::test {
namespace {

TEST(BackendList, EndsWithTheBuiltInOnes) {
    const int64_t n = ql_backend_count();
    ASSERT_GE(n, 1);
    ql_backend_info info = {sizeof(info)};
    ASSERT_EQ(ql_backend_describe(n - 1, &info), QL_OK) << ql_error_message();
    EXPECT_STREQ(info.name, "cpu");
    EXPECT_STREQ(info.path, "");
    EXPECT_STREQ(info.refused, "");
}

TEST(BackendList, RefusesWrongArguments) {
    ql_backend_info info = {sizeof(info)};
    EXPECT_EQ(ql_backend_describe(-1, &info), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_backend_describe(ql_backend_count(), &info), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_backend_describe(0, nullptr), QL_INVALID_ARGUMENT);
    info.size = 0;
    EXPECT_EQ(ql_backend_describe(0, &info), QL_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace ql::test
