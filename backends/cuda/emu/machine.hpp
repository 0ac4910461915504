// Runs a launch: blocks one after the other in an order that a seed chooses, the threads of a block as fibres that are
// entered in an order that the seed chooses, too, until each has ended or something is wrong with the kernel.
//
// What is wrong - a race, an address that is nobody's, a barrier that not all threads reach - ends the launch, and is
// returned in a line. Nothing here is for several threads of the host at once: the runtime above holds a lock.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "backends/cuda/emu/fibre.hpp"
#include "backends/cuda/emu/memory.hpp"
#include "backends/cuda/emu/random.hpp"
#include "backends/cuda/emu/shadow.hpp"
#include "backends/cuda/emu/types.hpp"

namespace ql::cuda::emu {

inline constexpr unsigned kWarp = 32;
inline constexpr size_t kMostThreads = 1024, kMostShared = 99 << 10, kSharedWithoutAsking = 48 << 10;

/// What threads of a warp do together. It happens when all lanes of the mask have come to it.
struct Collective {
    const char * name;
    /// payloads: of the lanes in the mask, null for the others.
    void (*apply)(void * const * payloads, uint32_t mask);
    bool orders_memory;  // __syncwarp alone
};

/// A copy by cp.async.
struct AsyncCopy {
    std::byte * to;
    const std::byte * from;
    size_t bytes;
    uint32_t group;
};

/// What a kernel moved to and from global memory, in bytes, and how many products of matrices it made.
struct Counts {
    struct Side {
        uint64_t by_launch = 0;   // each byte once in a launch: what memory must move
        uint64_t by_blocks = 0;   // each byte once in a block
        uint64_t by_threads = 0;  // each time
    };
    Side read, written;
    uint64_t launches = 0, blocks = 0, mma_lanes = 0;  // lanes that took part in a product: 32 of each
    // 8x8 matrices that ldmatrix read, and how often it went to the banks for them: once each where no two rows of one
    // lie in the same banks.
    uint64_t matrices = 0, matrix_passes = 0;

    void add(const Counts & other);
};

struct Thread {
    enum class State : uint8_t { runs, at_collective, at_barrier, ended };
    uint3 index;
    unsigned number = 0;
    State state = State::runs;
    uint32_t mask = 0;
    const Collective * collective = nullptr;
    void * payload = nullptr;
    Context context;
    uint32_t warp_syncs = 0;
    std::vector<AsyncCopy> copies;
    uint32_t copy_group = 0;  // of the copies that are started next
};

/// A kernel with its arguments.
struct Body {
    const char * name;
    void (*call)(const void * arguments);
    const void * arguments;
    size_t arguments_bytes;
};
struct Grid {
    dim3 blocks, threads;
    size_t shared = 0;
};

class Machine {
  public:
    /// Empty, or what was wrong.
    std::string run(const Body & body, const Grid & grid);

    Memory memory;
    bool checks = false;                    // of races and addresses
    bool counts = false;                    // what launches move, in `counted`; kernels must be instrumented
    bool arithmetic = true;                 // false: products of matrices are counted alone, and accesses not checked
    std::map<std::string, Counts> counted;  // by the launches' names
    void seed(uint64_t seed) { random_ = Random(seed); }

    // What a kernel's thread asks for.
    Thread & current() { return *current_; }
    /// A thread of a kernel runs its own code, none of the emulation's.
    bool in_kernel() const { return current_ && !outside_; }
    std::byte * shared() { return shared_.data(); }
    dim3 block_index, block_size, grid_size;
    void barrier();
    void collect(const Collective & what, uint32_t mask, void * payload);
    void start_copy(void * to, const void * from, size_t bytes);
    void wait_for_copies(uint32_t groups_left);
    /// Checks an access of the running thread, or of another one of the block.
    void access(const void * address, size_t bytes, bool write) {
        if (checks || counts) access(*current_, address, bytes, write);
    }
    void access(Thread & by, const void * address, size_t bytes, bool write);
    Thread & lane(unsigned i) { return threads_[collecting_warp_ * kWarp + i]; }
    void count_product(uint64_t lanes) { count_.mma_lanes += lanes; }
    void count_matrix(uint64_t passes) { ++count_.matrices, count_.matrix_passes += passes; }
    /// Says what is wrong with the kernel, and ends the launch. In a thread of a kernel it does not return.
    void fail(const std::string & what);
    bool has_shared(const void * address, size_t bytes) const;

  private:
    void run_block();
    void make_threads();
    bool enter_threads(unsigned warp);
    bool collect_warp(unsigned warp);
    bool pass_barrier();
    void end_interval() { ++interval_; }
    void check_end();
    std::string stuck() const;
    void leave(Thread::State state);
    static void entry();
    bool is_constant(const void * address) const;
    bool is_own_stack(const void * address) const;
    void land(Thread & thread, const AsyncCopy & copy);
    void count_access(Shadow * of, size_t bytes, bool write);
    void complain(const Thread & by, const void * address, size_t bytes, bool write, const char * what);

    Random random_;
    Stacks stacks_;
    std::vector<Thread> threads_;
    std::vector<std::byte> shared_;
    std::vector<Shadow> shared_shadow_;
    /// For as long as one exists, the emulation works for the running thread.
    struct Outside {
        int & count;
        explicit Outside(Machine & m) : count(m.outside_) { ++count; }
        ~Outside() { --count; }
        Outside(const Outside &) = delete;
        Outside & operator=(const Outside &) = delete;
    };

    int outside_ = 0;
    Thread * current_ = nullptr;
    Context scheduler_;
    const Body * body_ = nullptr;
    std::string failure_;
    unsigned collecting_warp_ = 0;
    Counts count_;  // of the running launch
    uint32_t interval_ = 1, block_start_ = 1, launch_start_ = 1;
};

/// Whether kernels tell of their loads and stores (hooks.cpp). If not, nothing is known of who wrote what.
extern bool kernels_are_instrumented;

/// The one machine of the process.
Machine & machine();

}  // namespace ql::cuda::emu
