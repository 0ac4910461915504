// Sessions of several threads on one device.
#include <atomic>
#include <thread>

#include "models/golden.hpp"
#include "models/infer/session.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

DevicePtr device_of(int threads) {
    ql_device_options options;
    ql_device_options_init(&options);
    options.threads = threads;
    ql_device * device = nullptr;
    EXPECT_EQ(ql_device_open(&options, &device), QL_OK) << ql_error_message();
    return DevicePtr(device);
}

/// The logits after some tokens, read one by one.
std::vector<float> read_text(const Model & model, ql_device * device, int32_t first) {
    auto session = Session::create(model, device, {}, 128);
    EXPECT_TRUE(session.ok()) << session.message();
    for (int32_t i = 0; i < 60; ++i) {
        const int32_t token = (first + i * 37) % 256;
        EXPECT_TRUE((*session)->eval({&token, 1}).ok());
    }
    return {(*session)->logits().begin(), (*session)->logits().end()};
}

TEST(SessionThreads, EachReadsAsIfItWereAlone) {
    const TemporaryFolder folder;
    auto model =
        open_model(write_tiny_model(folder.path("m.gguf")), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    ASSERT_TRUE(model.ok()) << model.message();
    const DevicePtr device = device_of(2);
    constexpr int32_t kThreads = 3;
    std::vector<std::vector<float>> alone;
    for (int32_t i = 0; i < kThreads; ++i) alone.push_back(read_text(**model, device.get(), i));
    std::atomic<int> same{0};
    std::vector<std::thread> threads;
    for (int32_t i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] { same += read_text(**model, device.get(), i) == alone[static_cast<size_t>(i)]; });
    for (std::thread & t : threads) t.join();
    EXPECT_EQ(same, kThreads);
}

}  // namespace
}  // namespace ql::test
