// A card as a device, on the emulation: what it refuses, and what it leaves behind in the runtime.
#include "backends/cuda/device.hpp"

#include <gtest/gtest.h>

#include "cuda/emulation.hpp"

namespace ql::cuda {
namespace {

class CudaDeviceTest : public Emulation {
  protected:
    static std::unique_ptr<DeviceImpl> open() {
        std::unique_ptr<DeviceImpl> device;
        EXPECT_TRUE(CudaDevice::open(0, false, device).ok());
        return device;
    }
};

TEST_F(CudaDeviceTest, RefusesACardThatIsTooOld) {
    settings("capability=75");
    std::unique_ptr<DeviceImpl> device;
    const Status refused = CudaDevice::open(0, false, device);
    EXPECT_EQ(refused.code(), QL_UNSUPPORTED);
    EXPECT_FOUND(refused.message(), "compute capability 7.5; 8.0 or more");
    settings("capability=80");
    EXPECT_TRUE(CudaDevice::open(0, false, device).ok());
}

TEST_F(CudaDeviceTest, LeavesNoErrorThatItHasReported) {
    const auto device = open();
    for (const MemoryKind memory : {MemoryKind::device, MemoryKind::pinned}) {
        settings("alloc=1");
        const auto refused = device->allocate(memory, 4);
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.status().code(), QL_NO_MEMORY);
        EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    }
}

TEST_F(CudaDeviceTest, AMomentThatIsNotReachedIsNoError) {
    settings("delay=100");
    const auto device = open();
    const float from = 1;
    float to = 0;
    ASSERT_TRUE(device->copy(Queue::copy, {&to, &from, sizeof(to), MemoryKind::host, MemoryKind::host}).ok());
    (void)device->now(Queue::copy);
    const Event second = device->now(Queue::copy);  // asks for the first
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(to, 0);
    EXPECT_TRUE(device->finish(second).ok());
    EXPECT_EQ(to, 1);
}

}  // namespace
}  // namespace ql::cuda
