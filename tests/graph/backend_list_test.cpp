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
    EXPECT_EQ(info.devices, 1);
    EXPECT_STREQ(info.trouble, "");
    ql_found_device device = {sizeof(device)};
    ASSERT_EQ(ql_backend_device(n - 1, 0, &device), QL_OK) << ql_error_message();
    EXPECT_GT(device.memory, uint64_t{1} << 20);
}

TEST(BackendList, SaysWhyADeviceNameIsNone) {
    const std::pair<const char *, const char *> names[] = {
        {"cpu:1", "there is 1 of them, the last is cpu:0"},
        {"cpu:", "is followed by a number"},
        {"cpu:0x", "is followed by a number"},
        {"cpu:-1", "is followed by a number"},
        {"none", "no such backend here; found: "},
    };
    for (const auto & [name, why] : names) {
        ql_device_options options;
        ql_device_options_init(&options);
        options.name = name;
        ql_device * device = nullptr;
        EXPECT_EQ(ql_device_open(&options, &device), QL_NOT_FOUND) << name;
        EXPECT_NE(std::string(ql_error_message()).find(why), std::string::npos) << ql_error_message();
    }
}

TEST(BackendList, RefusesWrongArguments) {
    ql_backend_info info = {sizeof(info)};
    EXPECT_EQ(ql_backend_describe(-1, &info), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_backend_describe(ql_backend_count(), &info), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_backend_describe(0, nullptr), QL_INVALID_ARGUMENT);
    info.size = 0;
    EXPECT_EQ(ql_backend_describe(0, &info), QL_INVALID_ARGUMENT);
    ql_found_device device = {sizeof(device)};
    EXPECT_EQ(ql_backend_device(ql_backend_count(), 0, &device), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_backend_device(ql_backend_count() - 1, 1, &device), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_backend_device(ql_backend_count() - 1, 0, nullptr), QL_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace ql::test
