// The library's own conformance cases on a Vulkan device: what has no kernel is left to the CPU, and is no failure.
#include <map>

#include "ql/ql.h"
#include "ql/selftest.h"
#include "vulkan/vulkan_device.hpp"

namespace ql::vulkan {
namespace {

TEST(VulkanSelfTest, PassesWhatIsLeftToTheCpuAndSaysWhy) {
    QL_NEEDS_VULKAN();
    const Setting without("shader=rope_table");
    const ql_device_options options = options_of();
    ql_device * device = nullptr;
    ASSERT_EQ(QL_OK, ql_device_open(&options, &device)) << ql_error_message();
    std::map<std::string, std::string> said;
    const auto on_case = [](void * user, const ql_self_test_case * c) {
        EXPECT_TRUE(c->passed) << c->op << ", " << c->name << ": " << c->message;
        (*static_cast<std::map<std::string, std::string> *>(user))[c->op] = c->message;
        return 0;
    };
    int64_t n_failed = -1;
    EXPECT_EQ(QL_OK, ql_self_test(device, 1, on_case, &said, &n_failed)) << ql_error_message();
    EXPECT_EQ(n_failed, 0);
    EXPECT_EQ(said["add"], "");
    EXPECT_NE(said["rope_table"].find("does not compile shader rope_table"), std::string::npos) << said["rope_table"];
    ql_device_close(device);
}

}  // namespace
}  // namespace ql::vulkan
