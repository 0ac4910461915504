// What the emulation's runtime is made of: lines of work, one for each stream, and the state that all calls share.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/cuda/emu/faults.hpp"
#include "backends/cuda/emu/runtime.hpp"

namespace ql::cuda::emu {

using Work = std::function<cudaError_t()>;

/// A graph: pieces of work, and which of them each one comes after, all earlier in the list.
struct Graph {
    struct Node {
        Work work;
        std::vector<size_t> after;
    };
    std::vector<Node> nodes;
};

/// The work of some streams while it is recorded, not done.
struct Capture {
    struct Line * origin = nullptr;
    Graph graph;
};

/// What is done on a stream, and how far that has come. Events hold it beyond the stream's end.
struct Line {
    struct Moment {
        std::shared_ptr<Line> line;
        uint64_t number = 0;
        bool reached() const { return !line || line->done >= number; }
    };
    struct Item {
        Work work;
        Moment after;
    };
    std::deque<Item> waiting;
    uint64_t started = 0, done = 0;
    int device = 0;
    std::shared_ptr<Capture> capture;  // that the stream takes part in; null: none
    std::vector<size_t> last;          // nodes that its next one comes after
};

/// Counts events; true for the one that is meant.
struct Countdown {
    long at = 0, seen = 0;
    bool now() { return at > 0 && ++seen == at; }
};

struct State {
    std::recursive_mutex mutex;
    Settings settings;
    Countdown allocation, copy, launch, lost;
    Random random;
    std::vector<std::shared_ptr<Line>> lines;
    std::map<void *, std::pair<size_t, int>> allocations;  // bytes and device
    std::map<void *, size_t> pinned;
    std::map<const void *, size_t> shared_allowed;
    std::map<int, size_t> used;
    Calls calls;
    cudaError_t broken = cudaSuccess;  // the context's error, which stays
    std::string report;
};
State & state();

struct Locked {
    State & s = state();
    std::lock_guard<std::recursive_mutex> lock{s.mutex};
};

/// Remembers a call's error for cudaGetLastError, and gives it back.
cudaError_t note(cudaError_t error);
/// Puts work on a line, or, while that is captured, into the graph.
void start(State & s, const std::shared_ptr<Line> & line, Work work, Line::Moment after = {});
/// The fault that a launch meets because it was asked for; success: none.
cudaError_t launch_fault(State & s, const char * name);

}  // namespace ql::cuda::emu

struct EmuStream {
    std::shared_ptr<ql::cuda::emu::Line> line;
};
struct EmuEvent {
    ql::cuda::emu::Line::Moment moment;
    std::shared_ptr<ql::cuda::emu::Capture> capture;  // recorded while that was captured; then in place of the moment:
    std::vector<size_t> nodes;                        // what comes before it
};
