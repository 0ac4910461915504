// The backend's entry: which cards there are, opening one, and the table of kernels.
#include "backends/cuda/device.hpp"

#ifdef QL_CUDA_EMU
#define QL_CUDA_NAME "cuda-emu"
#else
#define QL_CUDA_NAME "cuda"
#endif

namespace ql::cuda {
namespace {

const Kernel * const kTable[] = {
#define QL_OP(name) &kernel::name,
#include "ggml/ops/ops.def"
};

/// Reads the emulation's settings anew for each device that is opened.
Status begin() {
#ifdef QL_CUDA_EMU
    if (const std::string trouble = emu::reset(); !trouble.empty())
        return error(QL_INVALID_ARGUMENT, "%s", trouble.c_str());
#endif
    return {};
}

/// Without a driver, other calls leave their results as they were: so its version is asked first.
Status enumerate(std::vector<FoundDevice> & devices) {
    QL_TRY(begin());
    int driver = 0, runtime = 0, count = 0;
    QL_TRY(check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion"));
    QL_TRY(check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion"));
    if (driver == 0) return error(QL_NOT_FOUND, "cuda: there is no NVIDIA driver");
    if (driver / 1000 < runtime / 1000)
        return error(QL_UNSUPPORTED, "cuda: the driver is for CUDA %d.%d, this was built with CUDA %d.%d",
                     driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    QL_TRY(check(cudaGetDeviceCount(&count), "cudaGetDeviceCount"));
    for (int i = 0; i < count; ++i) {
        cudaDeviceProp p{};
        QL_TRY(check(cudaGetDeviceProperties(&p, i), "cudaGetDeviceProperties"));
        devices.push_back({p.name, p.totalGlobalMem});
    }
    return {};
}

Status open(const ql_device_options & options, size_t number, std::unique_ptr<DeviceImpl> & device) {
    QL_TRY(begin());
    if (options.compute == QL_COMPUTE_INT8 || options.compute == QL_COMPUTE_INT16)
        return error(QL_UNSUPPORTED, "compute %s: cuda has no products of integers; use auto, f32 or bf16, or the cpu",
                     options.compute == QL_COMPUTE_INT8 ? "int8" : "int16");
    return CudaDevice::open(static_cast<int>(number), options.compute != QL_COMPUTE_F32, device);
}

}  // namespace
}  // namespace ql::cuda

/// The parts of the engine that are linked into this object ask for these; nobody opens a device through them.
std::span<const ql::Backend * const> ql::builtin_backends() {
    return {};
}

extern "C" __attribute__((visibility("default"))) const ql::Backend * ql_backend_entry() {
    using namespace ql::cuda;
    static const ql::Backend backend = {QL_CUDA_NAME, ql::kBackendVersion, enumerate, open, kTable};
    return &backend;
}
