// A run: phase by phase, all lanes of a phase, and the moves of pages and results between memory and files around them.
#include <algorithm>
#include <utility>

#include "ggml/plan/leaves.hpp"
#include "ggml/plan/plan.hpp"
#include "ql/os.h"

using ql::Status;

Status ql_plan::make_row_readers() {
    for (const ql::RowUse & use : choice_.paging.rows) {
        QL_ASSIGN(ql::RowReader reader, ql::RowReader::make(use));
        rows_.push_back(std::move(reader));
    }
    return {};
}

Status ql_plan::prepare_moves(const char * spill, uint64_t memory) {
    if (choice_.paging.stays.empty() && choice_.spilled.absences.empty() && rows_.empty()) return {};
    moves_.resize(choice_.paging.begins.size() - 1);
    for (PhaseMoves & m : moves_) m.lane_before.resize(lanes_.size()), m.after.resize(lanes_.size());
    auto * pages = static_cast<std::byte *>(memory_[0].of(ql::Region::pages).data);
    const bool direct = !cache_will_do(memory);
    for (const ql::PageStay & stay : choice_.paging.stays) {
        const ql_tensor & leaf = *stay.leaf;
        const ql::os::FileRange * own = leaf.graph->file_of(leaf);
        const ql::os::FileRange file = own ? *own : ql::os::mapped_range(leaf.storage.data, leaf.bytes());
        moves_[stay.read].before.push_back(
            {file, pages + stay.offset, false, direct && !own ? this->direct(file.fd) : -1});
        moves_[stay.read].n_own += stay.read == stay.first;
        if (stay.dirty) moves_[stay.last].written.push_back({file, pages + stay.offset, true});
    }
    if (!choice_.spilled.absences.empty()) {
        QL_ASSIGN(spill_, ql::os::open_unnamed(spill));
        const uint64_t needed = choice_.spilled.bytes * lanes_.size();
        uint64_t free = 0;
        QL_TRY(ql_os_free_space(spill, &free));
        if (free < needed)
            return ql::error(QL_NO_SPACE, "%s: %llu bytes are to be spilled to it, and %llu are free", spill,
                             static_cast<unsigned long long>(needed), static_cast<unsigned long long>(free));
        for (const ql::Absence & absence : choice_.spilled.absences) add_absence(absence);
    }
    queue_ = std::make_unique<ql::PageQueue>();
    if (spills_lanes() || (!rows_.empty() && lanes_.size() > 1)) lane_queue_ = std::make_unique<ql::PageQueue>();
    return {};
}

/// Whether all pages could be in the system's cache beside what the budget allows.
bool ql_plan::cache_will_do(uint64_t memory) const {
    std::set<const ql_tensor *> weights;
    uint64_t bytes = memory;
    for (const ql::PageStay & stay : choice_.paging.stays)
        if (weights.insert(stay.leaf).second) bytes += stay.leaf->bytes();
    return bytes <= ql_os_available_memory();
}

/// A file that was opened for reads past the cache; -1: there are none.
int ql_plan::direct(int fd) {
    const auto [it, is_new] = direct_.try_emplace(fd);
    if (is_new) it->second = ql::os::open_direct(fd);
    return it->second.get();
}

void ql_plan::add_absence(const ql::Absence & a) {
    for (size_t lane = 0; lane < lanes_.size(); ++lane) {
        const ql::os::FileRange file = {spill_.get(), a.offset + lane * choice_.spilled.bytes, a.bytes};
        const auto at = [&](size_t phase) {
            return static_cast<std::byte *>(address(a.buffer, lane, choice_.paging.begins[phase]));
        };
        const bool ahead = choice_.paging.ahead && !spills_lanes();
        if (a.changed) moves_[a.out].after[lane].push_back({file, at(a.out), true});
        moves_[ahead ? a.in - 1 : a.in].lane_before[lane].push_back({file, at(a.in)});
    }
}

Status ql_plan::make_schedules() {
    const std::vector<size_t> & begins = choice_.paging.begins;
    for (Lane & lane : lanes_)
        for (size_t p = 0; p + 1 < begins.size(); ++p) {
            const auto steps = std::span(lane.steps).subspan(begins[p], begins[p + 1] - begins[p]);
            QL_ASSIGN(ql::Schedule schedule, ql::Schedule::make(list_, steps, begins[p]));
            lane.phases.push_back(std::move(schedule));
        }
    return {};
}

Status ql_plan::run(int lanes) {
    if (lanes < 1 || lanes > choice_.lanes)
        return ql::error(QL_INVALID_ARGUMENT, "plan run: %d lanes, the plan has %d", lanes, choice_.lanes);
    return run_in_turn(0, lanes);
}

/// Waits for the turn on every device, in an order that is one for all plans.
Status ql_plan::run_in_turn(size_t held, int lanes) {
    if (held == memory_.size()) return run_phases(lanes);
    const ql::Turns::Held turn(memory_[held].device->turns);
    return run_in_turn(held + 1, lanes);
}

Status ql_plan::run_phases(int lanes) {
    if (!filled_) QL_TRY(ql::fill_weights(list_.leaves(), *weights_read_));
    filled_ = true;
    Status status;
    uint64_t before = queue_ ? queue_->started() : 0;
    for (size_t p = 0; p + 1 < choice_.paging.begins.size() && status.ok(); ++p)
        status = run_phase(p, static_cast<size_t>(lanes), before);
    if (status.ok() && choice_.paging.leaf_written_bytes > 0) status = queue_->wait(queue_->started());
    if (!status.ok() && queue_) queue_->drain();
    if (!status.ok() && lane_queue_) lane_queue_->drain();
    return status;
}

/// Runs the lanes of a phase between the moves before it and after it.
Status ql_plan::run_phase(size_t phase, size_t lanes, uint64_t & before) {
    if (!moves_.empty()) QL_TRY(start_moves(phase, lanes, before));
    if (spills_lanes()) {
        QL_TRY(run_spilled_lanes(phase, lanes));
    } else {
        for (size_t lane = 0; lane < lanes; ++lane) QL_TRY(run_lane(phase, lane));
        if (!moves_.empty())
            for (size_t lane = 0; lane < lanes; ++lane) QL_TRY(queue_->start(moves_[phase].after[lane]));
    }
    if (!moves_.empty() && !moves_[phase].written.empty()) QL_TRY(queue_->start(moves_[phase].written));
    return {};
}

/// The rows of the first lane were read with the phase's pages.
Status ql_plan::run_lane(size_t phase, size_t lane) {
    if (lane > 0 && !rows_.empty()) {
        QL_TRY(start_rows(phase, lane, *lane_queue_));
        QL_TRY(lane_queue_->wait(lane_queue_->started()));
    }
    QL_TRY(lanes_[lane].phases[phase].run(profile_));
    for (ql::RowReader & rows : rows_)
        if (rows.use().phase == phase) rows.drop();
    return {};
}

/// Runs the lanes of a phase whose results are in memory for their turn alone. What the next lane needs is read while one
/// computes, to the memory of the lane two before, whose results are written by then. A queue of their own: behind
/// the next phase's weights, lanes would wait for these.
Status ql_plan::run_spilled_lanes(size_t phase, size_t lanes) {
    const PhaseMoves & moves = moves_[phase];
    ql::PageQueue & queue = *lane_queue_;
    QL_TRY(queue.wait(queue.started()));  // the last lanes of the phase before
    QL_TRY(queue.start(moves.lane_before[0]));
    uint64_t read = queue.started(), written_before = 0, written = 0;
    for (size_t lane = 0; lane < lanes; ++lane) {
        QL_TRY(queue.wait(std::max(read, written_before)));
        if (lane + 1 < lanes) QL_TRY(queue.start(moves.lane_before[lane + 1]));
        read = queue.started();
        QL_TRY(run_lane(phase, lane));
        QL_TRY(queue.start(moves.after[lane]));
        written_before = std::exchange(written, queue.started());
    }
    return {};
}

/// Waits for the moves that the phase before has started, and starts those that the next phase needs. What a phase reads
/// for itself, such as rows, comes first, and is waited for here. Results that a phase has written are waited for two phases
/// later, before anything takes their place.
/// before   moves that were started when the phase before began
Status ql_plan::start_moves(size_t phase, size_t lanes, uint64_t & before) {
    const PhaseMoves & moves = moves_[phase];
    const std::span<const ql::PageMove> pages = moves.before;
    QL_TRY(queue_->wait(before));
    const uint64_t earlier = queue_->started();
    QL_TRY(start_rows(phase, 0, *queue_));
    QL_TRY(queue_->start(pages.first(moves.n_own)));
    const uint64_t own = queue_->started();
    QL_TRY(queue_->start(pages.subspan(moves.n_own)));
    if (!spills_lanes())
        for (size_t lane = 0; lane < lanes; ++lane) QL_TRY(queue_->start(moves.lane_before[lane]));
    before = queue_->started();
    if (!choice_.paging.ahead) return queue_->wait(before);
    return own > earlier ? queue_->wait(own) : Status();
}

Status ql_plan::start_rows(size_t phase, size_t lane, ql::PageQueue & queue) {
    for (ql::RowReader & rows : rows_)
        if (rows.use().phase == phase)
            QL_TRY(rows.start(static_cast<const int32_t *>(lanes_[lane].steps[rows.use().node].src[1]), queue));
    return {};
}
