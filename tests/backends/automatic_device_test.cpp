// The device "auto" is the first that its backend does not refuse.
#include <gtest/gtest.h>

#include "backends/opened_device.hpp"
#include "ggml/backend/device.hpp"

namespace ql::test {
namespace {

/// Its name under the faults that two backends are to show, or the error.
std::string automatic(const char * apart, const char * cuda = "") {
    const Injected apart_faults(apart), cuda_faults(cuda, "QL_CUDA_EMU");
    const OpenedDevice device("auto");
    return device.status == QL_OK ? device.device->name : ql_error_message();
}

#ifdef QL_CUDA_EMULATED
constexpr const char * kSecond = "cuda-emu";
#else
constexpr const char * kSecond = "cpu";
#endif

TEST(AutomaticDevice, IsTheFirstThatIsNotRefused) {
    EXPECT_EQ(automatic(""), "apart");
    EXPECT_EQ(automatic("refused=1"), "apart:1");
    EXPECT_EQ(automatic("refused=2"), kSecond);
    const std::string third = automatic("refused=2", "capability=75");
    EXPECT_TRUE(third == "cpu" || third == "cuda") << third << ", where emulated cards are too old";
}

TEST(AutomaticDevice, AnotherErrorIsNotPassedOver) {
    EXPECT_NE(automatic("refuse=1").find("is unknown"), std::string::npos);
}

TEST(AutomaticDevice, ADeviceThatIsNamedIsNotReplaced) {
    const Injected old("refused=1");
    EXPECT_EQ(OpenedDevice("apart:0").status, QL_UNSUPPORTED);
    EXPECT_EQ(OpenedDevice("auto:1").status, QL_NOT_FOUND);
}

}  // namespace
}  // namespace ql::test
