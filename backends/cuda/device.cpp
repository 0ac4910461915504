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

/// What a run is made of: two that are alike launch the same kernels and copies with the same arguments.
struct Likeness {
    std::vector<uint64_t> words;  // addresses, sizes
    std::vector<Params> params;

    bool operator==(const Likeness &) const = default;
    explicit Likeness(std::span<const Step> steps = {}) {
        for (const Step & step : steps) {
            const Copy & copy = step.copy;
            add(copy.to), add(copy.from), words.push_back(copy.bytes);
            add(step.scratch);
            for (const void * p : step.src) add(p);
            for (const void * p : step.out) add(p);
            if (!step.kernel) continue;
            params.push_back(step.node->params);
            for (const auto * list : {&step.node->src, &step.node->out})
                for (const Operand * operand : *list)
                    for (int d = 0; operand && d < 4; ++d) words.push_back(static_cast<uint64_t>(operand->ne(d)));
        }
    }

  private:
    void add(const void * p) { words.push_back(reinterpret_cast<uintptr_t>(p)); }
};

/// A list of steps, and the events that steps of the other queue wait for.
class CudaExecutable : public Executable {
  public:
    explicit CudaExecutable(std::span<Step> steps) : steps(steps), done(steps.size()) {}
    ~CudaExecutable() override {
        for (cudaEvent_t event : done)
            if (event) cudaEventDestroy(event);
        for (cudaEvent_t event : {begun, copied})
            if (event) cudaEventDestroy(event);
        drop_graph();
    }
    void drop_graph() {
        if (graph) cudaGraphExecDestroy(std::exchange(graph, nullptr));
    }
    const std::span<Step> steps;
    std::vector<cudaEvent_t> done;  // of a step that another one waits for, else null
    cudaEvent_t begun = nullptr, copied = nullptr;
    bool copies = false;
    bool capturable = true;           // no copy goes through memory of the host that is not pinned
    cudaGraphExec_t graph = nullptr;  // of a run that was as `last` says
    Likeness last;
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
        executable->capturable &=
            step.kernel || (step.copy.to_memory != MemoryKind::host && step.copy.from_memory != MemoryKind::host);
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

/// Starts the steps on the streams, or records them where these are captured.
Status CudaDevice::start_steps(Executable & e, bool profile) {
    auto & x = static_cast<CudaExecutable &>(e);
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
}

Status CudaDevice::capture(Executable & e) {
    auto & x = static_cast<CudaExecutable &>(e);
    QL_TRY(check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture"));
    Status recorded = start_steps(e, false);
    cudaGraph_t graph = nullptr;
    const Status ended =
        check(cudaStreamEndCapture(stream(), &graph), "cudaStreamEndCapture");  // whatever was recorded
    if (recorded.ok()) recorded = ended;
    if (recorded.ok()) recorded = check(cudaGraphInstantiate(&x.graph, graph, 0), "cudaGraphInstantiate");
    if (graph) cudaGraphDestroy(graph);
    return recorded;
}

/// Its copies are nodes of the graph: so the copy queue's work before comes before it, and what follows waits for it.
Status CudaDevice::launch_graph(Executable & e) {
    auto & x = static_cast<CudaExecutable &>(e);
    const auto join = [&](Queue from, Queue to, cudaEvent_t event) -> Status {
        if (!x.copies) return {};
        QL_TRY(check(cudaEventRecord(event, stream_of(from)), "cudaEventRecord"));
        return check(cudaStreamWaitEvent(stream_of(to), event, 0), "cudaStreamWaitEvent");
    };
    QL_TRY(join(Queue::copy, Queue::compute, x.begun));
    QL_TRY(check(cudaGraphLaunch(x.graph, stream()), "cudaGraphLaunch"));
    return join(Queue::compute, Queue::copy, x.copied);
}

/// The second of two runs that are alike is captured, and it and those that follow are launches of a graph.
Status CudaDevice::start_run(Executable & e, bool profile) {
    auto & x = static_cast<CudaExecutable &>(e);
    QL_TRY(select());
    if (profile || !x.capturable) return start_steps(e, profile);
    if (Likeness now{std::span<const Step>(x.steps)}; !(now == x.last)) {
        x.drop_graph();
        x.last = std::move(now);
        return start_steps(e, false);
    }
    if (!x.graph) QL_TRY(capture(e));
    return launch_graph(e);
}

Status CudaDevice::run(Executable & e, bool profile) {
    const std::lock_guard lock(mutex_);
    if (!failed_.ok()) return {};  // what is started after an error is dropped
    failed_ = start_run(e, profile);
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
