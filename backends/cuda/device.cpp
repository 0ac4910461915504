#include "backends/cuda/device.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace ql::cuda {
namespace {

#ifdef QL_CUDA_EMU
std::string details() {
    const std::string report = emu::last_report();
    return report.empty() ? "" : ": " + report;
}
#else
std::string details() {
    return "";
}
#endif

Status with_code(cudaError_t error, const std::string & text) {
    return ql::error(error == cudaErrorMemoryAllocation ? QL_NO_MEMORY : QL_IO, "%s", text.c_str());
}

/// A list of steps, and the events that steps of the other queue wait for.
class CudaExecutable : public Executable {
  public:
    explicit CudaExecutable(std::span<Step> steps) : steps(steps), done(steps.size()) {}
    ~CudaExecutable() override {
        for (cudaEvent_t event : done)
            if (event) cudaEventDestroy(event);
        for (cudaEvent_t event : {begun, copied})
            if (event) cudaEventDestroy(event);
    }
    const std::span<Step> steps;
    std::vector<cudaEvent_t> done;  // of a step that another one waits for, else null
    cudaEvent_t begun = nullptr, copied = nullptr;
    bool copies = false;
};

}  // namespace

Status check(cudaError_t error, const char * call) {
    if (error == cudaSuccess) return {};
    (void)cudaGetLastError();
    return with_code(error, std::string("cuda: ") + call + ": " + cudaGetErrorName(error) + details());
}

Status CudaDevice::open(int number, bool bf16, std::unique_ptr<DeviceImpl> & device) {
    std::unique_ptr<CudaDevice> opened(new CudaDevice(number, bf16));
    QL_TRY(opened->select());
    QL_TRY(check(cudaGetDeviceProperties(&opened->properties_, number), "cudaGetDeviceProperties"));
    const auto & p = opened->properties_;
    if (p.major < 8)
        return error(QL_UNSUPPORTED, "cuda: %s has compute capability %d.%d; 8.0 or more is needed", p.name, p.major,
                     p.minor);
    for (cudaStream_t & stream : opened->streams_)
        QL_TRY(check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"));
    device = std::move(opened);
    return {};
}

CudaDevice::~CudaDevice() {
    (void)select();
    for (cudaStream_t stream : streams_)
        if (stream) cudaStreamDestroy(stream);
    for (Line & line : lines_)
        for (const auto & [number, event] : line.moments) cudaEventDestroy(event);
    for (cudaEvent_t event : spare_) cudaEventDestroy(event);
}

Caps CudaDevice::caps() const {
    return {.isa = "cuda",
            .product = bf16 ? "mma_bf16" : "f32",
            .chip = properties_.name,
            .threads = properties_.multiProcessorCount,
            .bf16 = bf16,
            .host_memory = false,
            .copy_queue = true,
            .alignment = 256};
}

Result<void *> CudaDevice::allocate(MemoryKind memory, size_t bytes) {
    const std::lock_guard lock(mutex_);
    QL_TRY(select());
    void * data = nullptr;
    bytes = std::max<size_t>(bytes, 1);
    if (memory == MemoryKind::pinned) {
        QL_TRY(check(cudaMallocHost(&data, bytes), "cudaMallocHost"));
        std::memset(data, 0, bytes);
        return data;
    }
    QL_TRY(check(cudaMalloc(&data, bytes), "cudaMalloc"));
    // On the copy queue, and waited for: neither queue may see what was there before.
    Status zeroed = check(cudaMemsetAsync(data, 0, bytes, stream_of(Queue::copy)), "cudaMemsetAsync");
    if (zeroed.ok()) zeroed = check(cudaStreamSynchronize(stream_of(Queue::copy)), "cudaStreamSynchronize");
    if (zeroed.ok()) return data;
    cudaFree(data);
    return zeroed;
}

void CudaDevice::release(MemoryKind memory, void * data, size_t) {
    const std::lock_guard lock(mutex_);
    (void)select();
    memory == MemoryKind::pinned ? cudaFreeHost(data) : cudaFree(data);
}

Result<std::unique_ptr<Executable>> CudaDevice::compile(std::span<Step> steps) {
    const std::lock_guard lock(mutex_);
    QL_TRY(select());
    auto executable = std::make_unique<CudaExecutable>(steps);
    const auto create = [](cudaEvent_t & event) -> Status {
        return check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    };
    for (const Step & step : steps) {
        for (const size_t earlier : step.after)
            if (!executable->done[earlier]) QL_TRY(create(executable->done[earlier]));
        executable->copies |= step.queue == Queue::copy;
    }
    QL_TRY(create(executable->begun));
    QL_TRY(create(executable->copied));
    return std::unique_ptr<Executable>(std::move(executable));
}

Status CudaDevice::start_copy(Queue queue, const Copy & copy) {
    if (copy.bytes == 0) return {};
    return check(cudaMemcpyAsync(copy.to, copy.from, copy.bytes, cudaMemcpyDefault, stream_of(queue)),
                 "cudaMemcpyAsync");
}

Status CudaDevice::start_step(const Step & step) {
    if (!step.kernel) return start_copy(step.queue, step.copy);
    return step.kernel->launch({*step.node, step.src.data(), step.out.data(), step.scratch, *this});
}

/// Waits for the step, so that its time is its own.
Status CudaDevice::time_step(Step & step) {
    const cudaStream_t stream = stream_of(step.queue);
    QL_TRY(check(cudaStreamSynchronize(stream), "cudaStreamSynchronize"));
    const auto begin = std::chrono::steady_clock::now();
    QL_TRY(start_step(step));
    QL_TRY(check(cudaStreamSynchronize(stream), "cudaStreamSynchronize"));
    step.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    ++step.runs;
    return {};
}

Status CudaDevice::run(Executable & e, bool profile) {
    const std::lock_guard lock(mutex_);
    auto & x = static_cast<CudaExecutable &>(e);
    if (!failed_.ok()) return {};  // what is started after an error is dropped
    const auto all = [&]() -> Status {
        QL_TRY(select());
        if (x.copies) {
            QL_TRY(check(cudaEventRecord(x.begun, stream_of(Queue::compute)), "cudaEventRecord"));
            QL_TRY(check(cudaStreamWaitEvent(stream_of(Queue::copy), x.begun, 0), "cudaStreamWaitEvent"));
        }
        for (size_t i = 0; i < x.steps.size(); ++i) {
            Step & step = x.steps[i];
            for (const size_t earlier : step.after)
                QL_TRY(check(cudaStreamWaitEvent(stream_of(step.queue), x.done[earlier], 0), "cudaStreamWaitEvent"));
            QL_TRY(profile ? time_step(step) : start_step(step));
            if (x.done[i]) QL_TRY(check(cudaEventRecord(x.done[i], stream_of(step.queue)), "cudaEventRecord"));
        }
        if (x.copies) {
            QL_TRY(check(cudaEventRecord(x.copied, stream_of(Queue::copy)), "cudaEventRecord"));
            QL_TRY(check(cudaStreamWaitEvent(stream_of(Queue::compute), x.copied, 0), "cudaStreamWaitEvent"));
        }
        return {};
    };
    failed_ = all();
    return {};
}

Status CudaDevice::copy(Queue queue, const Copy & copy) {
    const std::lock_guard lock(mutex_);
    if (!failed_.ok()) return {};
    failed_ = select();
    if (failed_.ok()) failed_ = start_copy(queue, copy);
    return {};
}

Result<cudaEvent_t> CudaDevice::new_event() {
    if (!spare_.empty()) {
        cudaEvent_t event = spare_.back();
        spare_.pop_back();
        return event;
    }
    cudaEvent_t event = nullptr;
    QL_TRY(check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags"));
    return event;
}

/// Takes back the events of moments that are reached.
void CudaDevice::recycle(Line & line) {
    while (!line.moments.empty()) {
        if (cudaEventQuery(line.moments.front().second) != cudaSuccess) {
            (void)cudaGetLastError();  // CUDA counts "not ready" among the errors
            return;
        }
        spare_.push_back(line.moments.front().second);
        line.moments.pop_front();
    }
}

Event CudaDevice::now(Queue queue) {
    const std::lock_guard lock(mutex_);
    Line & line = line_of(queue);
    (void)select();
    recycle(line);
    Result<cudaEvent_t> event = new_event();
    Status recorded = event.ok() ? check(cudaEventRecord(*event, stream_of(queue)), "cudaEventRecord") : event.status();
    ++line.number;
    if (event.ok()) line.moments.emplace_back(line.number, *event);
    if (failed_.ok()) failed_ = recorded;
    return {this, queue, line.number};
}

cudaEvent_t CudaDevice::find(const Event & event) {
    for (const auto & [number, moment] : line_of(event.queue).moments)
        if (number == event.number) return moment;
    return nullptr;
}

Status CudaDevice::hold(Queue queue, const Event & event) {
    auto & other = static_cast<CudaDevice &>(*event.device);
    const std::scoped_lock both(mutex_, other.mutex_);  // recursive: they may be one
    cudaEvent_t moment = other.find(event);
    if (!moment || !failed_.ok()) return {};
    failed_ = select();
    if (failed_.ok()) failed_ = check(cudaStreamWaitEvent(stream_of(queue), moment, 0), "cudaStreamWaitEvent");
    return {};
}

Status CudaDevice::finish(const Event & event) {
    const std::lock_guard lock(mutex_);
    Status waited = select();
    if (cudaEvent_t moment = find(event); moment && waited.ok())
        waited = check(cudaEventSynchronize(moment), "cudaEventSynchronize");
    if (!failed_.ok()) waited = std::exchange(failed_, Status());
    recycle(line_of(event.queue));
    return waited;
}

}  // namespace ql::cuda
