#include "backends/cuda/emu/machine.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

// The bounds of the program or shared object that the kernels are part of; the linker gives these names.
extern "C" {
[[gnu::visibility("hidden")]] extern const char __ehdr_start[];
[[gnu::visibility("hidden")]] extern const char _end[];
}

namespace ql::cuda::emu {

Machine & machine() {
    static Machine one;
    return one;
}

void Machine::fail(const std::string & what) {
    ++outside_;
    if (failure_.empty()) {
        failure_ = std::string(body_ ? body_->name : "?") + ": " + what;
        if (current_)
            failure_ += " (block " + std::to_string(block_index.x) + "," + std::to_string(block_index.y) + "," +
                        std::to_string(block_index.z) + ", thread " + std::to_string(current_->number) + ")";
    }
    outside_ = 0;
    if (current_) leave(Thread::State::ended);
}

void Machine::leave(Thread::State state) {
    Thread & me = *current_;
    me.state = state;
    current_ = nullptr;
    enter(me.context, scheduler_);
}

void Machine::entry() {
    Machine & m = machine();
    m.body_->call(m.body_->arguments);
    m.check_end();
    m.leave(Thread::State::ended);
}

/// A thread that ends with copies on their way has not waited for them.
void Machine::check_end() {
    if (!current_->copies.empty()) fail("a thread ended while cp.async was still copying for it");
}

void Machine::barrier() {
    leave(Thread::State::at_barrier);
}

void Machine::collect(const Collective & what, uint32_t mask, void * payload) {
    Thread & me = *current_;
    if (!(mask >> me.number % kWarp & 1))
        fail(std::string(what.name) + ": the mask leaves out the thread that calls it");
    me.mask = mask, me.collective = &what, me.payload = payload;
    leave(Thread::State::at_collective);
}

void Counts::add(const Counts & other) {
    for (const auto side : {&Counts::read, &Counts::written}) {
        (this->*side).by_launch += (other.*side).by_launch;
        (this->*side).by_blocks += (other.*side).by_blocks;
        (this->*side).by_threads += (other.*side).by_threads;
    }
    launches += other.launches, blocks += other.blocks, mma_lanes += other.mma_lanes;
    matrices += other.matrices, matrix_passes += other.matrix_passes;
}

std::string Machine::run(const Body & body, const Grid & grid) {
    body_ = &body;
    count_ = {};
    failure_.clear();
    block_size = grid.threads, grid_size = grid.blocks;
    const size_t n_threads = size_t{grid.threads.x} * grid.threads.y * grid.threads.z;
    const size_t n_blocks = size_t{grid.blocks.x} * grid.blocks.y * grid.blocks.z;
    if (!stacks_.need(n_threads)) return std::string(body.name) + ": no memory for stacks";
    threads_.resize(n_threads);
    shared_.resize(std::max<size_t>(grid.shared, 1));
    shared_shadow_.assign(checks ? grid.shared : 0, Shadow());
    std::vector<size_t> order(n_blocks);
    std::iota(order.begin(), order.end(), size_t{0});
    random_.shuffle(order);
    end_interval();
    launch_start_ = interval_;
    const Memory::Opened opened(memory);
    for (const size_t i : order) {
        block_index = {static_cast<unsigned>(i % grid.blocks.x),
                       static_cast<unsigned>(i / grid.blocks.x % grid.blocks.y),
                       static_cast<unsigned>(i / grid.blocks.x / grid.blocks.y)};
        run_block();
        if (!failure_.empty()) break;
    }
    body_ = nullptr;
    count_.launches = 1, count_.blocks = n_blocks;
    if (counts) counted[body.name].add(count_);
    return failure_;
}

void Machine::make_threads() {
    for (unsigned i = 0; i < threads_.size(); ++i) {
        Thread & t = threads_[i];
        t = Thread{};
        t.number = i;
        t.index = {i % block_size.x, i / block_size.x % block_size.y, i / block_size.x / block_size.y};
        t.context = begin_on(stacks_.top(i), entry);
    }
}

void Machine::run_block() {
    end_interval();
    block_start_ = interval_;
    std::fill(shared_.begin(), shared_.end(), std::byte{0xff});
    make_threads();
    const auto n_warps = static_cast<unsigned>((threads_.size() + kWarp - 1) / kWarp);
    std::vector<unsigned> order(n_warps);
    std::iota(order.begin(), order.end(), 0u);
    for (;;) {
        random_.shuffle(order);
        bool moved = false;
        for (const unsigned warp : order) {
            moved |= enter_threads(warp);
            if (!failure_.empty()) return;
            moved |= collect_warp(warp);
            if (!failure_.empty()) return;
        }
        if (std::all_of(threads_.begin(), threads_.end(),
                        [](const Thread & t) { return t.state == Thread::State::ended; }))
            return;
        if (!moved && !pass_barrier()) return fail(stuck());
    }
}

bool Machine::enter_threads(unsigned warp) {
    bool moved = false;
    const size_t end = std::min(threads_.size(), size_t{warp + 1} * kWarp);
    for (size_t i = size_t{warp} * kWarp; i < end; ++i) {
        if (threads_[i].state != Thread::State::runs) continue;
        moved = true;
        current_ = &threads_[i];
        enter(scheduler_, threads_[i].context);
        if (!failure_.empty()) return true;
    }
    return moved;
}

/// Lets the lanes of a warp go on whose whole mask has come to the same collective.
bool Machine::collect_warp(unsigned warp) {
    const unsigned first = warp * kWarp;
    const auto n = static_cast<unsigned>(std::min<size_t>(kWarp, threads_.size() - first));
    const uint32_t existing = n == kWarp ? ~0u : (1u << n) - 1;
    bool moved = false;
    for (unsigned l = 0; l < n; ++l) {
        Thread & leader = threads_[first + l];
        if (leader.state != Thread::State::at_collective) continue;
        const uint32_t mask = leader.mask & existing;
        void * payloads[kWarp] = {};
        bool complete = true;
        for (unsigned i = 0; i < n && complete; ++i) {
            if (!(mask >> i & 1)) continue;
            const Thread & t = threads_[first + i];
            complete = t.state == Thread::State::at_collective && t.collective == leader.collective &&
                       (t.mask & existing) == mask;
            payloads[i] = t.payload;
        }
        if (!complete) continue;
        collecting_warp_ = warp;
        leader.collective->apply(payloads, mask);
        for (unsigned i = 0; i < n; ++i) {
            if (!(mask >> i & 1)) continue;
            threads_[first + i].state = Thread::State::runs;
            threads_[first + i].warp_syncs += leader.collective->orders_memory && mask == existing;
        }
        moved = true;
    }
    return moved;
}

/// The barrier opens when every thread that has not ended stands at it.
bool Machine::pass_barrier() {
    for (const Thread & t : threads_)
        if (t.state == Thread::State::at_collective) return false;
    for (Thread & t : threads_)
        if (t.state == Thread::State::at_barrier) t.state = Thread::State::runs;
    end_interval();
    return true;
}

std::string Machine::stuck() const {
    std::string where;
    for (const Thread & t : threads_) {
        if (t.state == Thread::State::at_collective && where.size() < 200)
            where += std::string(where.empty() ? "" : ", ") + std::to_string(t.number) + " in " + t.collective->name;
        if (t.state == Thread::State::at_barrier && where.size() < 200)
            where += std::string(where.empty() ? "" : ", ") + std::to_string(t.number) + " in __syncthreads";
    }
    return "threads wait for others that never come: " + where;
}

bool Machine::has_shared(const void * address, size_t bytes) const {
    const auto at = reinterpret_cast<uintptr_t>(address), begin = reinterpret_cast<uintptr_t>(shared_.data());
    return at >= begin && at - begin < shared_.size() && bytes <= shared_.size() - (at - begin);
}

bool Machine::is_constant(const void * address) const {
    const auto at = reinterpret_cast<uintptr_t>(address);
    if (at >= reinterpret_cast<uintptr_t>(__ehdr_start) && at < reinterpret_cast<uintptr_t>(_end)) return true;
    return at - reinterpret_cast<uintptr_t>(body_->arguments) < body_->arguments_bytes;
}

bool Machine::is_own_stack(const void * address) const {
    return reinterpret_cast<uintptr_t>(stacks_.top(current_->number)) - reinterpret_cast<uintptr_t>(address) <=
           Stacks::kBytes;
}

/// Before the access is noted in the shadows.
void Machine::count_access(Shadow * of, size_t bytes, bool write) {
    Counts::Side & side = write ? count_.written : count_.read;
    for (size_t i = 0; i < bytes; ++i) {
        uint32_t & last = write ? of[i].wrote_at : of[i].read_at;
        side.by_launch += last < launch_start_;
        side.by_blocks += last < block_start_;
        if (!checks) last = interval_;
    }
    side.by_threads += bytes;
}

void Machine::access(Thread & by, const void * address, size_t bytes, bool write) {
    if (!checks && !counts) return;
    const Outside outside(*this);
    if (!checks) {
        if (Shadow * of = memory.has(address) ? memory.shadow(address) : nullptr) count_access(of, bytes, write);
        return;
    }
    Shadow * shadow = nullptr;
    const bool shared = has_shared(address, 1);
    if (shared) {
        if (!has_shared(address, bytes)) return complain(by, address, bytes, write, "it crosses the end");
        shadow = shared_shadow_.data() + (static_cast<const std::byte *>(address) - shared_.data());
    } else if (memory.has(address)) {
        if (!memory.holds(address, bytes)) return complain(by, address, bytes, write, "no allocation holds it");
        shadow = memory.shadow(address);
    } else if (is_own_stack(address) || (!write && is_constant(address))) {
        return;
    } else {
        return complain(by, address, bytes, write, "it is no memory of the device");
    }
    const size_t alignment = std::min<size_t>(std::bit_ceil(bytes), 16);
    if (reinterpret_cast<uintptr_t>(address) & (alignment - 1))
        return complain(by, address, bytes, write, "it is not aligned to its size");
    if (!shadow) return;
    if (counts && !shared) count_access(shadow, bytes, write);
    // A block's shared memory is its own: what was there before counts for nothing.
    const Access access = {by.number, by.warp_syncs, interval_, block_start_, shared ? block_start_ : launch_start_};
    // Bytes that were always accessed together have the same shadow: it is looked at once.
    const size_t step = bytes % 4 == 0 ? 4 : 1;
    for (size_t i = 0; i < bytes; i += step) {
        Shadow * const at = shadow + i;
        const Shadow before = *at;
        const bool alike = step == 1 || (at[1] == before && at[2] == before && at[3] == before);
        for (size_t k = 0; k < (alike ? 1 : step); ++k)
            if (const char * trouble = write ? at[k].write(access) : at[k].read(access, shared))
                return complain(by, address, bytes, write, trouble);
        for (size_t k = 1; alike && k < step; ++k) {
            if (write)
                at[k].wrote_at = at->wrote_at, at[k].writer = at->writer;
            else
                at[k].read_at = at->read_at, at[k].reader = at->reader;
        }
    }
}

void Machine::complain(const Thread & by, const void * address, size_t bytes, bool write, const char * what) {
    std::string where = "at an address outside";
    if (has_shared(address, 1))
        where = "of shared memory at byte " + std::to_string(static_cast<const std::byte *>(address) - shared_.data());
    else if (memory.has(address))
        where = "of global memory";
    fail("thread " + std::to_string(by.number) + (write ? " writes " : " reads ") + std::to_string(bytes) + " bytes " +
         where + ": " + what);
}

void Machine::start_copy(void * to, const void * from, size_t bytes) {
    const Outside outside(*this);
    Thread & me = *current_;
    if (!has_shared(to, bytes)) fail("cp.async: the target is not in shared memory");
    if (checks && !memory.has(from)) fail("cp.async: the source is not in global memory");
    access(me, to, bytes, true);
    auto * target = static_cast<std::byte *>(to);
    if (checks)
        for (size_t i = 0; i < bytes; ++i)
            shared_shadow_[static_cast<size_t>(target - shared_.data()) + i].begin_copy();
    std::memset(to, 0xff, bytes);  // the bytes come later
    me.copies.push_back({target, static_cast<const std::byte *>(from), bytes, me.copy_group});
}

void Machine::land(Thread & thread, const AsyncCopy & copy) {
    access(thread, copy.from, copy.bytes, false);
    std::memcpy(copy.to, copy.from, copy.bytes);
    if (!checks) return;
    const Access now = {thread.number, thread.warp_syncs, interval_, block_start_, block_start_};
    for (size_t i = 0; i < copy.bytes; ++i)
        shared_shadow_[static_cast<size_t>(copy.to - shared_.data()) + i].end_copy(now);
}

/// Lands what is waited for, in any order; what is not waited for may come early, or not.
void Machine::wait_for_copies(uint32_t groups_left) {
    const Outside outside(*this);
    Thread & me = *current_;
    random_.shuffle(me.copies);
    std::vector<AsyncCopy> left;
    const uint32_t waited_for = me.copy_group > groups_left ? me.copy_group - groups_left : 0;
    for (const AsyncCopy & copy : me.copies) {
        if (copy.group < waited_for)
            land(me, copy);
        else
            left.push_back(copy);
    }
    me.copies.swap(left);
}

}  // namespace ql::cuda::emu
