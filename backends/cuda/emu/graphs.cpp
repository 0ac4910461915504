// Graphs of the emulation's runtime: work that is recorded from streams, and then done as one piece, as often as it is
// launched. Its nodes are done in any order that their edges allow; the seed chooses.
#include "backends/cuda/emu/state.hpp"

using namespace ql::cuda::emu;

struct EmuGraph {
    Graph graph;
};
struct EmuGraphExec {
    std::shared_ptr<const Graph> graph;
};

namespace {

cudaError_t run_graph(const Graph & graph) {
    State & s = state();
    std::vector<size_t> left(graph.nodes.size());  // of its edges
    std::vector<std::vector<size_t>> next(graph.nodes.size());
    std::vector<size_t> ready;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
        left[i] = graph.nodes[i].after.size();
        for (const size_t before : graph.nodes[i].after) next[before].push_back(i);
        if (left[i] == 0) ready.push_back(i);
    }
    while (!ready.empty()) {
        std::swap(ready[s.random.below(static_cast<uint32_t>(ready.size()))], ready.back());
        const size_t node = ready.back();
        ready.pop_back();
        if (const cudaError_t error = graph.nodes[node].work(); error != cudaSuccess) return error;
        for (const size_t i : next[node])
            if (--left[i] == 0) ready.push_back(i);
    }
    return cudaSuccess;
}

/// Whether every node comes before one of `last`.
bool all_lead_to(const Graph & graph, const std::vector<size_t> & last) {
    std::vector<bool> found(graph.nodes.size());
    for (const size_t i : last) found[i] = true;
    for (size_t i = graph.nodes.size(); i-- > 0;)
        for (const size_t before : graph.nodes[i].after) found[before] = found[before] || found[i];
    for (const bool f : found)
        if (!f) return false;
    return true;
}

}  // namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    Locked l;
    if (l.s.broken != cudaSuccess) return note(l.s.broken);
    if (stream->line->capture) return note(cudaErrorIllegalState);
    stream->line->capture = std::make_shared<Capture>();
    stream->line->capture->origin = stream->line.get();
    stream->line->last.clear();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t * graph) {
    Locked l;
    *graph = nullptr;
    const auto capture = stream->line->capture;
    if (!capture || capture->origin != stream->line.get()) return note(cudaErrorIllegalState);
    const bool joined = all_lead_to(capture->graph, stream->line->last);
    for (const auto & line : l.s.lines)
        if (line->capture == capture) line->capture.reset(), line->last.clear();
    if (!joined) return note(cudaErrorStreamCaptureUnjoined);
    *graph = new EmuGraph{std::move(capture->graph)};
    return note(l.s.broken);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t * exec, cudaGraph_t graph, unsigned long long) {
    Locked l;
    if (l.s.broken != cudaSuccess) return note(l.s.broken);
    if (l.s.allocation.now()) return note(cudaErrorMemoryAllocation);
    *exec = new EmuGraphExec{std::make_shared<const Graph>(graph->graph)};
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    Locked l;
    if (l.s.broken != cudaSuccess) return note(l.s.broken);
    if (const cudaError_t fault = launch_fault(l.s, "a graph"); fault != cudaSuccess) return note(fault);
    ++l.s.calls.graphs;
    start(l.s, stream->line, [graph = exec->graph] { return run_graph(*graph); });
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    delete exec;
    return cudaSuccess;
}
