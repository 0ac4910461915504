#include "backends/cuda/emu/runtime.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "backends/cuda/emu/state.hpp"

using namespace ql::cuda::emu;

namespace {

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

bool is_ready(const Line & line) {
    return !line.waiting.empty() && line.waiting.front().after.reached();
}

/// Does one piece of work that is ready; false: there is none.
bool advance(State & s) {
    std::vector<Line *> ready;
    for (const auto & line : s.lines)
        if (is_ready(*line)) ready.push_back(line.get());
    if (ready.empty()) return false;
    Line & line = *ready[s.random.below(static_cast<uint32_t>(ready.size()))];
    const auto work = std::move(line.waiting.front().work);
    line.waiting.pop_front();
    if (work && s.broken == cudaSuccess) s.broken = work();
    ++line.done;
    return true;
}

/// Works until a moment is reached.
cudaError_t finish(State & s, const Line::Moment & moment) {
    while (!moment.reached())
        if (!advance(s)) return note(cudaErrorUnknown);
    return note(s.broken);
}

cudaError_t run_launch(State & s, const ql::cuda::emu::Body & body, const ql::cuda::emu::Grid & grid) {
    const std::string trouble = machine().run(body, grid);
    if (trouble.empty()) return cudaSuccess;
    s.report = trouble;
    return trouble.find(" bytes ") != trouble.npos ? cudaErrorIllegalAddress : cudaErrorLaunchFailure;
}

/// To $QL_CUDA_EMU_COUNTS: an object for each name of launches.
void write_counts() {
    const char * path = std::getenv("QL_CUDA_EMU_COUNTS");
    std::FILE * file = path ? std::fopen(path, "w") : nullptr;
    if (!file) return;
    const char * before = "{\"kernels\": [";
    for (const auto & [name, c] : machine().counted) {
        std::fprintf(file,
                     "%s{\"kernel\": \"%s\", \"launches\": %ju, \"blocks\": %ju, \"mma\": %ju, \"matrices\": %ju, "
                     "\"matrix_passes\": %ju",
                     before, name.c_str(), uintmax_t{c.launches}, uintmax_t{c.blocks},
                     uintmax_t{c.mma_lanes / ql::cuda::emu::kWarp}, uintmax_t{c.matrices}, uintmax_t{c.matrix_passes});
        for (const auto & [side, counted] : {std::pair("read", c.read), {"written", c.written}})
            std::fprintf(file, ", \"%s\": {\"by_launch\": %ju, \"by_blocks\": %ju, \"by_threads\": %ju}", side,
                         uintmax_t{counted.by_launch}, uintmax_t{counted.by_blocks}, uintmax_t{counted.by_threads});
        std::fputs("}", file);
        before = ",\n ";
    }
    std::fputs(machine().counted.empty() ? "{\"kernels\": []}\n" : "]}\n", file);
    std::fclose(file);
}

}  // namespace

namespace ql::cuda::emu {

State & state() {
    static State one;
    return one;
}

cudaError_t note(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

void start(State & s, const std::shared_ptr<Line> & line, Work work, Line::Moment after) {
    if (line->capture) {
        Graph & graph = line->capture->graph;
        graph.nodes.push_back({std::move(work), std::move(line->last)});
        line->last = {graph.nodes.size() - 1};
        return;
    }
    line->waiting.push_back({std::move(work), std::move(after)});
    ++line->started;
    while (static_cast<long>(s.random.below(100)) >= s.settings.delay && advance(s)) {
    }
}

cudaError_t launch_fault(State & s, const char * name) {
    if (s.launch.now()) {
        s.report = std::string(name) + ": a launch was made to fail";
        return cudaErrorLaunchOutOfResources;
    }
    if (s.lost.now()) {
        s.report = "the card was lost";
        s.broken = cudaErrorUnknown;
    }
    return s.broken;
}

}  // namespace ql::cuda::emu

const char * cudaGetErrorName(cudaError_t error) {
    switch (error) {
#define QL_NAME(e) \
    case e:        \
        return #e;
        QL_NAME(cudaSuccess)
        QL_NAME(cudaErrorInvalidValue)
        QL_NAME(cudaErrorMemoryAllocation)
        QL_NAME(cudaErrorInvalidConfiguration)
        QL_NAME(cudaErrorInsufficientDriver)
        QL_NAME(cudaErrorNoDevice)
        QL_NAME(cudaErrorInvalidDevice)
        QL_NAME(cudaErrorECCUncorrectable)
        QL_NAME(cudaErrorInvalidResourceHandle)
        QL_NAME(cudaErrorNotReady)
        QL_NAME(cudaErrorIllegalAddress)
        QL_NAME(cudaErrorLaunchOutOfResources)
        QL_NAME(cudaErrorLaunchFailure)
        QL_NAME(cudaErrorIllegalState)
        QL_NAME(cudaErrorStreamCaptureUnsupported)
        QL_NAME(cudaErrorStreamCaptureUnjoined)
        QL_NAME(cudaErrorStreamCaptureIsolation)
        QL_NAME(cudaErrorUnknown)
#undef QL_NAME
    }
    return "cudaError?";
}
const char * cudaGetErrorString(cudaError_t error) {
    return cudaGetErrorName(error);
}

cudaError_t cudaGetLastError() {
    Locked l;
    return std::exchange(last_error, l.s.broken);
}

cudaError_t cudaDriverGetVersion(int * version) {
    Locked l;
    *version = l.s.settings.driver == 1 ? 13000 : l.s.settings.driver == 3 ? 11000 : 0;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int * version) {
    *version = 13000;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int * count) {
    Locked l;
    if (l.s.settings.driver != 1) return note(cudaErrorInsufficientDriver);  // and leaves the count alone
    *count = static_cast<int>(l.s.settings.devices);
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp * p, int device) {
    Locked l;
    if (device < 0 || device >= l.s.settings.devices) return note(cudaErrorInvalidDevice);
    *p = {};
    std::snprintf(p->name, sizeof(p->name), "emulated card %d", device);
    p->totalGlobalMem = static_cast<size_t>(l.s.settings.memory) << 20;
    p->sharedMemPerBlockOptin = ql::cuda::emu::kMostShared;
    p->major = static_cast<int>(l.s.settings.capability / 10),
    p->minor = static_cast<int>(l.s.settings.capability % 10);
    p->multiProcessorCount = 4;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
    Locked l;
    if (device < 0 || device >= l.s.settings.devices) return note(cudaErrorInvalidDevice);
    current_device = device;
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t * free, size_t * total) {
    Locked l;
    *total = static_cast<size_t>(l.s.settings.memory) << 20;
    *free = *total - std::min(*total, l.s.used[current_device]);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void ** address, size_t bytes) {
    Locked l;
    State & s = l.s;
    if (s.broken != cudaSuccess) return note(s.broken);
    const size_t total = static_cast<size_t>(s.settings.memory) << 20;
    if (s.allocation.now() || bytes > total - std::min(total, s.used[current_device]))
        return note(cudaErrorMemoryAllocation);
    *address = machine().memory.allocate(bytes);
    if (!*address) return note(cudaErrorMemoryAllocation);
    s.allocations[*address] = {bytes, current_device};
    s.used[current_device] += bytes;
    return cudaSuccess;
}

/// Waits for all work of the device first, as CUDA does.
cudaError_t cudaFree(void * address) {
    Locked l;
    State & s = l.s;
    if (!address) return cudaSuccess;
    const auto found = s.allocations.find(address);
    if (found == s.allocations.end()) return note(cudaErrorInvalidValue);
    while (advance(s)) {
    }
    machine().memory.release(address);
    s.used[found->second.second] -= found->second.first;
    s.allocations.erase(found);
    return note(s.broken);
}

cudaError_t cudaMallocHost(void ** address, size_t bytes) {
    Locked l;
    if (l.s.allocation.now()) return note(cudaErrorMemoryAllocation);
    *address = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!*address) return note(cudaErrorMemoryAllocation);
    std::memset(*address, 0xa5, bytes);
    l.s.pinned[*address] = bytes;
    return cudaSuccess;
}
cudaError_t cudaFreeHost(void * address) {
    Locked l;
    if (!address) return cudaSuccess;
    if (!l.s.pinned.erase(address)) return note(cudaErrorInvalidValue);
    while (advance(l.s)) {
    }
    std::free(address);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t * stream, unsigned) {
    Locked l;
    if (l.s.broken != cudaSuccess) return note(l.s.broken);
    auto line = std::make_shared<Line>();
    line->device = current_device;
    l.s.lines.push_back(line);
    *stream = new EmuStream{line};
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    Locked l;
    if (!stream) return cudaSuccess;
    (void)finish(l.s, {stream->line, stream->line->started});
    std::erase(l.s.lines, stream->line);
    delete stream;
    if (l.s.lines.empty() && machine().counts) write_counts();
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    Locked l;
    if (stream->line->capture) return note(cudaErrorStreamCaptureUnsupported);
    return finish(l.s, {stream->line, stream->line->started});
}
/// An event of a capture takes the stream into it.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    Locked l;
    Line & line = *stream->line;
    if (event->capture) {
        if (line.capture && line.capture != event->capture) return note(cudaErrorStreamCaptureIsolation);
        line.capture = event->capture;
        for (const size_t node : event->nodes)
            if (std::find(line.last.begin(), line.last.end(), node) == line.last.end()) line.last.push_back(node);
        return note(l.s.broken);
    }
    if (line.capture) return note(cudaErrorStreamCaptureIsolation);
    start(l.s, stream->line, nullptr, event->moment);
    return note(l.s.broken);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t * event, unsigned) {
    *event = new EmuEvent;
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    Locked l;
    event->capture = stream->line->capture;
    event->nodes = stream->line->last;
    event->moment = {};
    if (!event->capture) event->moment = {stream->line, stream->line->started};
    return note(l.s.broken);
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
    Locked l;
    if (l.s.broken != cudaSuccess) return note(l.s.broken);
    if (event->capture) return note(cudaErrorStreamCaptureUnsupported);
    return note(event->moment.reached() ? cudaSuccess : cudaErrorNotReady);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    Locked l;
    if (event->capture) return note(cudaErrorStreamCaptureUnsupported);
    return finish(l.s, event->moment);
}

cudaError_t cudaMemcpyAsync(void * to, const void * from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
    Locked l;
    if (l.s.broken != cudaSuccess) return note(l.s.broken);
    for (const void * end : {static_cast<const void *>(to), from})
        if (machine().memory.has(end) && bytes && !machine().memory.holds(end, bytes))
            return note(cudaErrorInvalidValue);
    ++l.s.calls.copies;
    start(l.s, stream->line, [to, from, bytes] {
        if (state().copy.now()) {
            state().report = "a copy was made to fail";
            return cudaErrorECCUncorrectable;
        }
        const Memory::Opened opened(machine().memory);
        std::memmove(to, from, bytes);
        return cudaSuccess;
    });
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void * to, int value, size_t bytes, cudaStream_t stream) {
    Locked l;
    if (l.s.broken != cudaSuccess) return note(l.s.broken);
    if (bytes && !machine().memory.holds(to, bytes)) return note(cudaErrorInvalidValue);
    start(l.s, stream->line, [to, value, bytes] {
        const Memory::Opened opened(machine().memory);
        std::memset(to, value, bytes);
        return cudaSuccess;
    });
    return cudaSuccess;
}

namespace ql::cuda::emu {

std::string reset() {
    Locked l;
    Settings settings;
    if (std::string trouble = settings.parse(std::getenv("QL_CUDA_EMU")); !trouble.empty()) return trouble;
    State & s = l.s;
    s.settings = settings;
    s.allocation = {settings.alloc}, s.copy = {settings.copy}, s.launch = {settings.launch}, s.lost = {settings.lost};
    s.random = Random(static_cast<uint64_t>(settings.seed));
    machine().seed(static_cast<uint64_t>(settings.seed));
    machine().checks = settings.checks == 1 && settings.counts != 2 && kernels_are_instrumented;
    machine().counts = settings.counts > 0 && kernels_are_instrumented;
    machine().arithmetic = settings.counts != 2;
    machine().counted.clear();
    s.broken = last_error = cudaSuccess;
    s.report.clear();
    s.calls = {};
    return "";
}

Calls calls() {
    Locked l;
    return l.s.calls;
}

std::string last_report() {
    Locked l;
    return l.s.report;
}

cudaError_t allow_shared(const void * kernel, size_t bytes) {
    Locked l;
    if (bytes > kMostShared) return note(cudaErrorInvalidValue);
    l.s.shared_allowed[kernel] = bytes;
    return cudaSuccess;
}

void launch(const void * kernel, const char * name, void (*call)(const void *), const void * arguments,
            size_t arguments_bytes, dim3 blocks, dim3 threads, size_t shared, cudaStream_t stream) {
    Locked l;
    State & s = l.s;
    if (s.broken != cudaSuccess) return (void)note(s.broken);
    const auto product = [](dim3 d) { return uint64_t{d.x} * d.y * d.z; };
    if (product(threads) == 0 || product(threads) > kMostThreads || product(blocks) == 0 || blocks.x > 0x7fffffffu ||
        blocks.y > 65535 || blocks.z > 65535)
        return (void)note(cudaErrorInvalidConfiguration);
    const auto allowed = s.shared_allowed.find(kernel);
    if (shared > kSharedWithoutAsking && (allowed == s.shared_allowed.end() || shared > allowed->second))
        return (void)note(cudaErrorInvalidValue);
    if (const cudaError_t fault = launch_fault(s, name); fault != cudaSuccess) return (void)note(fault);
    ++s.calls.launches;
    std::vector<std::max_align_t> copied((arguments_bytes + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t));
    std::memcpy(copied.data(), arguments, arguments_bytes);
    start(s, stream->line, [=, copied = std::move(copied)] {
        return run_launch(state(), {name, call, copied.data(), arguments_bytes}, {blocks, threads, shared});
    });
}

}  // namespace ql::cuda::emu
