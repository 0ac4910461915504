// Making a plan: the passes rewrite the list, then memory is placed and addresses are bound. Then running is a loop.
#include "ggml/plan/plan.hpp"

#include <algorithm>
#include <cstdlib>

#include "ggml/plan/check.hpp"
#include "ggml/core/os/os.hpp"
#include "ggml/plan/leaves.hpp"
#include "ql/os.h"

namespace ql {
namespace {

/// Whether plans verify themselves while they are made: in debug builds, or where $QL_CHECK_PLANS is set.
bool plans_are_checked() {
#ifdef NDEBUG
    return std::getenv("QL_CHECK_PLANS") != nullptr;
#else
    return true;
#endif
}

Status check_outputs(const Graph & graph, std::span<Tensor * const> outputs) {
    QL_TRY(graph.status());
    if (outputs.empty()) return error(QL_INVALID_ARGUMENT, "plan: no outputs");
    for (const Tensor * t : outputs)
        if (!t || t->graph != &graph) return error(QL_INVALID_ARGUMENT, "plan: an output is NULL or of another graph");
    return {};
}

std::vector<Device *> parts_of(std::span<Device * const> devices) {
    std::vector<Device *> parts;
    for (Device * d : devices) {
        if (d->parts.empty()) parts.push_back(d);
        parts.insert(parts.end(), d->parts.begin(), d->parts.end());
    }
    return parts;
}

}  // namespace
}  // namespace ql

using ql::Result;
using ql::Status;

Result<size_t> ql_plan::least_memory(ql_graph & graph, std::span<ql_device * const> devices,
                                     std::span<ql_tensor * const> outputs, const ql_plan_options & options) {
    QL_TRY(ql::check_outputs(graph, outputs));
    const std::vector<ql_device *> parts = ql::parts_of(devices);
    return ql::least_memory({outputs, parts, options.recomputed}, options);
}

Result<std::unique_ptr<ql_plan>> ql_plan::create(ql_graph & graph, std::span<ql_device * const> devices,
                                                 std::span<ql_tensor * const> outputs,
                                                 const ql_plan_options & options) {
    QL_TRY(ql::check_outputs(graph, outputs));
    std::unique_ptr<ql_plan> plan(new ql_plan);
    const bool checked = ql::plans_are_checked();
    const std::vector<ql_device *> parts = ql::parts_of(devices);
    QL_ASSIGN(plan->choice_, ql::make_list(plan->list_, {outputs, parts, options.recomputed}, options,
                                           options.over ? &options.over->choice_ : nullptr, checked));
    const std::vector<const ql::Value *> leaves = plan->list_.leaves();
    QL_TRY(ql::settle_leaves(leaves));
    if (plan->choice_.paged) QL_TRY(ql::settle_weights(leaves, plan->choice_.paging.resident));
    plan->filled_ = !ql::have_copies(leaves);
    plan->weights_read_ = options.over ? options.over->weights_read_ : std::make_shared<std::set<const ql_tensor *>>();
    QL_TRY(plan->place(options.over, checked));
    QL_TRY(plan->place_inputs());
    QL_TRY(plan->make_row_readers());
    plan->bind();
    QL_TRY(plan->prepare_moves(options.spill, options.memory));
    QL_TRY(plan->make_schedules());
    return plan;
}

size_t ql_plan::Memory::shared() const {
    size_t bytes = 0;
    for (const ql::Region region : {ql::Region::arena, ql::Region::pages})
        if (!owns(region)) bytes += of(region).bytes;
    return bytes;
}

Status ql_plan::place(const ql_plan * over, bool checked) {
    const auto use = [&](ql_device * device) {
        if (!memory_on(device)) memory_.push_back({device});
    };
    for (const ql::PlanNode * n : list_.nodes) use(n->device);
    for (const ql::Value * leaf : list_.leaves()) use(leaf->device);
    std::sort(memory_.begin(), memory_.end(),
              [](const Memory & a, const Memory & b) { return std::less<>()(a.device, b.device); });
    for (Memory & m : memory_) QL_TRY(place_on(m, over, checked));
    return {};
}

/// Finds a place for every buffer of a device, in another plan's memory if there is one that is large enough. What is
/// read after a run is never there: a run of that plan would overwrite it.
Status ql_plan::place_on(Memory & memory, const ql_plan * over, bool checked) {
    ql_device & device = *memory.device;
    memory.layout = ql::place_buffers(list_.buffers, &device, device.caps.alignment);
    if (checked) QL_TRY(ql::check_layout(list_, &device, memory.layout));
    memory.layout.of(ql::Region::pages) = choice_.paging.page_bytes;
    const Memory * other = over ? over->memory_on(&device) : nullptr;
    for (size_t r = 0; r < static_cast<size_t>(ql::Region::count); ++r) {
        const auto region = static_cast<ql::Region>(r);
        const size_t bytes =
            memory.layout.of(region) * (ql::is_by_lane(region) ? static_cast<size_t>(choice_.lanes) : 1);
        if (bytes == 0) continue;
        if (void * data = other ? place_in(*other, memory, region, bytes) : nullptr) {
            memory.of(region) = {&device, data, bytes};
            continue;
        }
        const auto kind = region == ql::Region::staging ? ql::MemoryKind::pinned : ql::MemoryKind::device;
        QL_ASSIGN(memory.of(region), ql::allocate(device, bytes, kind));
    }
    return {};
}

/// Where another plan has room for a region; null: nowhere. Pages lie where its pages are, or behind our results in its
/// arena, as nothing of both is needed between two runs.
void * ql_plan::place_in(const Memory & other, const Memory & memory, ql::Region region, size_t bytes) {
    if (region != ql::Region::arena && region != ql::Region::pages) return nullptr;
    if (other.of(region).bytes >= bytes) return other.of(region).data;
    if (region == ql::Region::arena) return nullptr;
    const ql::Storage & arena = other.of(ql::Region::arena);
    const bool is_ours = memory.of(ql::Region::arena).data == arena.data;
    const size_t taken = is_ours ? ql::padded(memory.of(ql::Region::arena).bytes, memory.device->caps.alignment) : 0;
    return arena.bytes >= taken + bytes ? static_cast<std::byte *>(arena.data) + taken : nullptr;
}

/// The first lane's inputs are the graph's.
Status ql_plan::place_inputs() {
    lanes_.resize(static_cast<size_t>(choice_.lanes));
    if (lanes_.size() == 1) return {};
    ql_device & device = *memory_[0].device;
    for (const ql::Value * leaf : list_.leaves())
        if (leaf->kind == ql::TensorKind::input) inputs_.push_back(leaf);
    const size_t bytes = ql::input_bytes(list_, device.caps.alignment) * (lanes_.size() - 1);
    if (bytes == 0) return {};
    QL_ASSIGN(lane_inputs_, ql::allocate(device, bytes));
    auto * next = static_cast<std::byte *>(lane_inputs_.data);
    for (size_t lane = 1; lane < lanes_.size(); ++lane)
        for (const ql::Value * leaf : inputs_) {
            lanes_[lane].inputs.push_back(next);
            next += ql::padded(leaf->bytes(), device.caps.alignment);
        }
    return {};
}

const ql_plan::Memory * ql_plan::memory_on(const ql_device * device) const {
    const auto it = std::find_if(memory_.begin(), memory_.end(), [&](const Memory & m) { return m.device == device; });
    return it == memory_.end() ? nullptr : &*it;
}

void * ql_plan::address(size_t buffer, size_t lane, size_t node) const {
    const ql::Buffer * b = &list_.buffers[buffer];
    if (b->continued != ql::kNoBuffer && static_cast<int64_t>(node) >= b->continued_from)
        b = &list_.buffers[b->continued];
    const Memory & memory = *memory_on(b->device);
    const size_t before = ql::is_by_lane(b->region) ? lane * memory.layout.of(b->region) : 0;
    return static_cast<std::byte *>(memory.of(b->region).data) + before + b->offset;
}

void * ql_plan::address(const ql::Operand * t, size_t lane, size_t node) const {
    const ql::Value & root = *ql::root_of(t);
    if (!root.is_leaf()) return address(root.buffer, lane, node);
    if ((root.kind == ql::TensorKind::weight && choice_.paged) || ql::is_paged_out(*root.tensor))
        if (void * page = page_address(*root.tensor, node)) return page;
    if (lane > 0)
        if (const auto it = std::find(inputs_.begin(), inputs_.end(), &root); it != inputs_.end())
            return lanes_[lane].inputs[static_cast<size_t>(it - inputs_.begin())];
    return ql::leaf_address(root);
}

Status ql_plan::make_row_readers() {
    for (const ql::RowUse & use : choice_.paging.rows) {
        QL_ASSIGN(ql::RowReader reader, ql::RowReader::make(use, lanes_.size()));
        rows_.push_back(std::move(reader));
    }
    return {};
}

/// Where a leaf that is a page lies while a node uses it; null if it always stays.
void * ql_plan::page_address(const ql_tensor & leaf, size_t node) const {
    for (const ql::RowReader & rows : rows_)
        if (rows.use().table == &leaf && rows.use().node == node) return rows.table();
    const size_t phase = ql::phase_of(choice_.paging.begins, node);
    for (const ql::PageStay & stay : choice_.paging.stays)
        if (stay.leaf == &leaf && phase >= stay.first && phase <= stay.last)
            return static_cast<std::byte *>(memory_[0].of(ql::Region::pages).data) + stay.offset;
    return nullptr;
}

void ql_plan::bind() {
    for (size_t lane = 0; lane < lanes_.size(); ++lane)
        for (size_t i = 0; i < list_.nodes.size(); ++i) bind(lanes_[lane].steps.emplace_back(), i, lane);
}

void ql_plan::bind(ql::Step & step, size_t node, size_t lane) {
    const ql::PlanNode & n = *list_.nodes[node];
    step.node = &n;
    step.kernel = n.kernel;
    for (const ql::Operand * t : n.src) step.src.push_back(t ? address(t, lane, node) : nullptr);
    for (const ql::Operand * t : n.out) step.out.push_back(address(t, lane, node));
    if (n.scratch != ql::kNoBuffer) step.scratch = static_cast<std::byte *>(address(n.scratch, lane, node));
    if (ql::is_copy(n))
        step.copy = {step.out[0], step.src[0], n.out[0]->bytes(), ql::memory_kind(*ql::root_of(n.out[0])),
                     ql::memory_kind(*ql::root_of(n.src[0]))};
}

Status ql_plan::prepare_moves(const char * spill, uint64_t memory) {
    if (choice_.paging.stays.empty() && choice_.absences.empty() && rows_.empty()) return {};
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
    if (!choice_.absences.empty()) {
        QL_ASSIGN(spill_, ql::os::open_unnamed(spill));
        const uint64_t needed = choice_.spill_bytes * lanes_.size();
        uint64_t free = 0;
        QL_TRY(ql_os_free_space(spill, &free));
        if (free < needed)
            return ql::error(QL_NO_SPACE, "%s: %llu bytes are to be spilled to it, and %llu are free", spill,
                             static_cast<unsigned long long>(needed), static_cast<unsigned long long>(free));
        for (const ql::Absence & absence : choice_.absences) add_absence(absence);
    }
    queue_ = std::make_unique<ql::PageQueue>();
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
        const ql::os::FileRange file = {spill_.get(), a.offset + lane * choice_.spill_bytes, a.bytes};
        const auto at = [&](size_t phase) {
            return static_cast<std::byte *>(address(a.buffer, lane, choice_.paging.begins[phase]));
        };
        moves_[a.out].after[lane].push_back({file, at(a.out), true});
        moves_[choice_.paging.ahead ? a.in - 1 : a.in].lane_before[lane].push_back({file, at(a.in)});
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
    return status;
}

/// Runs the lanes of a phase between the moves before it and after it.
Status ql_plan::run_phase(size_t phase, size_t lanes, uint64_t & before) {
    if (!moves_.empty()) QL_TRY(start_moves(phase, lanes, before));
    for (size_t lane = 0; lane < lanes; ++lane) QL_TRY(lanes_[lane].phases[phase].run(profile_));
    if (!moves_.empty())
        for (size_t lane = 0; lane < lanes; ++lane) QL_TRY(queue_->start(moves_[phase].after[lane]));
    if (!moves_.empty() && !moves_[phase].written.empty()) QL_TRY(queue_->start(moves_[phase].written));
    for (ql::RowReader & rows : rows_)
        if (rows.use().phase == phase) rows.drop();
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
    QL_TRY(start_rows(phase, lanes));
    QL_TRY(queue_->start(pages.first(moves.n_own)));
    const uint64_t own = queue_->started();
    QL_TRY(queue_->start(pages.subspan(moves.n_own)));
    for (size_t lane = 0; lane < lanes; ++lane) QL_TRY(queue_->start(moves.lane_before[lane]));
    before = queue_->started();
    if (!choice_.paging.ahead) return queue_->wait(before);
    return own > earlier ? queue_->wait(own) : Status();
}

Status ql_plan::start_rows(size_t phase, size_t lanes) {
    for (ql::RowReader & rows : rows_) {
        if (rows.use().phase != phase) continue;
        for (size_t lane = 0; lane < lanes; ++lane)
            rows.want(static_cast<const int32_t *>(lanes_[lane].steps[rows.use().node].src[1]));
        QL_TRY(rows.start(*queue_));
    }
    return {};
}

Status ql_plan::read(const ql_tensor & output, void * dst, size_t offset, size_t bytes, int lane) const {
    const auto it = std::find_if(list_.outputs.begin(), list_.outputs.end(),
                                 [&](const ql::PlanList::Output & o) { return o.tensor == &output; });
    if (it == list_.outputs.end())
        return ql::error(QL_INVALID_ARGUMENT, "plan read: %s is no output of this plan", ql::describe(output).c_str());
    if (lane < 0 || lane >= choice_.lanes)
        return ql::error(QL_INVALID_ARGUMENT, "plan read: lane %d, the plan has %d", lane, choice_.lanes);
    QL_TRY(ql::check_bytes(output, offset, bytes, "plan read"));
    const ql_tensor * root = ql::root_of(it->value)->tensor;
    if (const ql::os::FileRange * file = root ? root->graph->file_of(*root) : nullptr)
        return ql::os::read_range({file->fd, file->offset + offset, bytes}, dst);
    const auto * from =
        static_cast<const std::byte *>(address(it->value, static_cast<size_t>(lane), list_.nodes.size())) + offset;
    ql_device & device = *ql::root_of(it->value)->device;
    return ql::download(device, dst, from, bytes);
}

Status ql_plan::write(const ql_tensor & input, const void * src, size_t offset, size_t bytes, int lane) {
    if (input.kind != ql::TensorKind::input)
        return ql::error(QL_INVALID_ARGUMENT, "plan write: %s is no input", ql::describe(input).c_str());
    if (lane < 0 || lane >= choice_.lanes)
        return ql::error(QL_INVALID_ARGUMENT, "plan write: lane %d, the plan has %d", lane, choice_.lanes);
    QL_TRY(ql::check_bytes(input, offset, bytes, "plan write"));
    const std::vector<const ql::Value *> leaves = list_.leaves();
    const auto it =
        std::find_if(leaves.begin(), leaves.end(), [&](const ql::Value * v) { return v->tensor == &input; });
    if (it == leaves.end())
        return ql::error(QL_INVALID_ARGUMENT, "plan write: the plan does not read %s", ql::describe(input).c_str());
    auto * to = static_cast<std::byte *>(address(*it, static_cast<size_t>(lane), 0)) + offset;
    return ql::upload(*(*it)->device, to, src, bytes);
}

void ql_plan::set_profiling(bool on) {
    profile_ = on;
    for (Lane & lane : lanes_)
        for (ql::Step & s : lane.steps) s.seconds = 0, s.runs = 0;
}

void ql_plan::add_memory(const ql_device * device, std::set<std::pair<const ql_tensor *, const ql_device *>> & counted,
                         ql_memory_info & info) const {
    for (const ql::Value * leaf : list_.leaves()) {
        const bool is_page =
            ql::is_paged_out(*leaf->tensor) ||
            (choice_.paged && leaf->kind == ql::TensorKind::weight && !choice_.paging.resident.count(leaf->tensor));
        if (is_page || (device && leaf->device != device) || !counted.insert({leaf->tensor, leaf->device}).second)
            continue;
        uint64_t & kind = leaf->kind == ql::TensorKind::weight  ? info.weights
                          : leaf->kind == ql::TensorKind::param ? info.params
                          : leaf->kind == ql::TensorKind::state ? info.states
                                                                : info.inputs;
        kind += leaf->bytes();
        info.total += leaf->bytes();
    }
    info.inputs += lane_inputs_.bytes;
    info.total += lane_inputs_.bytes;
    for (const Memory & m : memory_) {
        if (device && m.device != device) continue;
        uint64_t results = 0;
        for (const ql::Region region : {ql::Region::arena, ql::Region::outputs, ql::Region::carried})
            results += m.owned(region);
        info.results += results;
        info.staging += m.owned(ql::Region::staging);
        info.pages += m.owned(ql::Region::pages);
        info.total += results + m.owned(ql::Region::staging) + m.owned(ql::Region::pages);
    }
    info.pages += choice_.paging.row_bytes;
    info.total += choice_.paging.row_bytes;
    for (const ql::PlanNode * n : list_.nodes)
        if (n->scratch != ql::kNoBuffer && (!device || n->device == device))
            info.scratch = std::max<uint64_t>(info.scratch, list_.buffers[n->scratch].bytes);
}

ql_plan::Live ql_plan::live(size_t node) const {
    Live live;
    const auto at = static_cast<int64_t>(node);
    const size_t scratch = list_.nodes[node]->scratch;
    for (size_t i = 0; i < list_.buffers.size(); ++i) {
        const ql::Buffer & b = list_.buffers[i];
        if (at < b.first || at > b.last) continue;
        uint64_t & kind = i == scratch ? live.scratch : live.results;
        kind += b.bytes * (ql::is_by_lane(b.region) ? static_cast<size_t>(choice_.lanes) : 1);
    }
    const size_t phase = ql::phase_of(choice_.paging.begins, node);
    for (const ql::PageStay & stay : choice_.paging.stays)
        if (phase >= stay.read && phase <= ql::held_until(stay)) live.pages += stay.leaf->bytes();
    return live;
}

ql_plan_info ql_plan::describe() const {
    ql_plan_info info{};
    info.size = sizeof(info);
    info.n_nodes = static_cast<int64_t>(list_.nodes.size());
    for (const Memory & m : memory_) info.shared_bytes += m.shared();
    std::set<std::pair<const ql_tensor *, const ql_device *>> counted;
    ql_memory_info memory{};
    add_memory(nullptr, counted, memory);
    info.arena_bytes = memory.results + memory.staging + memory.pages + info.shared_bytes;
    info.leaf_bytes = memory.params + memory.states + memory.inputs;
    info.weight_bytes = memory.weights;
    for (const ql::PlanNode * n : list_.nodes) info.flops += ql::flops_of(*n);
    info.peak_bytes = info.arena_bytes + info.leaf_bytes + info.weight_bytes;
    info.lanes = choice_.lanes;
    info.recomputed = choice_.recomputed;
    info.page_bytes = choice_.paging.page_bytes + choice_.paging.row_bytes;
    info.read_bytes = choice_.paging.read_bytes;
    info.spill_bytes = choice_.spill_bytes * static_cast<uint64_t>(choice_.lanes);
    info.bytes_read = queue_ ? queue_->bytes_read() : 0;
    info.bytes_written = queue_ ? queue_->bytes_written() : 0;
    info.seconds_waited = queue_ ? queue_->seconds_waited() : 0;
    info.leaf_read_bytes = choice_.paging.leaf_read_bytes;
    info.leaf_written_bytes = choice_.paging.leaf_written_bytes;
    return info;
}
