// What the lanes of a warp do together: votes, and products of matrices that are spread over the lanes as PTX says
// (PTX ISA, "Matrix Fragments for mma.m16n8k16" and "ldmatrix").
#include <algorithm>
#include <cstring>

#include "backends/cuda/emu/device.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql::cuda::emu {
namespace {

struct Vote {
    bool mine;
    uint32_t all;
};

void nothing(void * const *, uint32_t) {}

struct Fragments {
    float * d;
    const uint32_t *a, *b;
};

/// Group g = lane / 4 and place t = lane % 4. A: register r holds row g (+ 8 for odd r), columns 2 t and 2 t + 1 (+ 8 for
/// r >= 2). B: register r holds column g, rows 2 t and 2 t + 1 (+ 8 for r = 1). D: numbers 0, 1 are row g, 2, 3 row g + 8;
/// columns 2 t and 2 t + 1.
template <float (*number)(uint16_t)>
void multiply(void * const * payloads, uint32_t mask) {
    if (mask != ~0u) return machine().fail("mma.sync: not all lanes of the warp take part");
    machine().count_product(kWarp);
    float a[16][16], b[16][8];
    for (int lane = 0; lane < 32; ++lane) {
        const auto & f = *static_cast<const Fragments *>(payloads[lane]);
        const int g = lane / 4, t = lane % 4;
        for (int r = 0; r < 4; ++r)
            for (int h = 0; h < 2; ++h)
                a[g + 8 * (r & 1)][2 * t + h + 8 * (r >> 1)] = number(static_cast<uint16_t>(f.a[r] >> 16 * h));
        for (int r = 0; r < 2; ++r)
            for (int h = 0; h < 2; ++h) b[2 * t + h + 8 * r][g] = number(static_cast<uint16_t>(f.b[r] >> 16 * h));
    }
    float sum[16][8] = {};
    for (int i = 0; i < 16; ++i)
        for (int k = 0; k < 16; ++k)
            for (int j = 0; j < 8; ++j) sum[i][j] += a[i][k] * b[k][j];
    for (int lane = 0; lane < 32; ++lane) {
        float * d = static_cast<const Fragments *>(payloads[lane])->d;
        const int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; ++i) d[i] += sum[g + 8 * (i >> 1)][2 * t + (i & 1)];
    }
}

float of_bf16(uint16_t h) {
    return bf16_to_f32(h);
}
float of_f16(uint16_t h) {
    return f16_to_f32(h);
}

struct Rows {
    uint32_t * r;
    const void * row;
};

/// How often the banks are asked for eight rows of 16 bytes: 32 banks of 4 bytes give rows at eight different places at once.
uint64_t passes_of(const void * const (&rows)[8]) {
    uint64_t most = 1, at_place[8] = {};
    for (int i = 0; i < 8; ++i) {
        if (std::find(rows, rows + i, rows[i]) != rows + i) continue;  // the same row is given to all who ask
        most = std::max(most, ++at_place[reinterpret_cast<uintptr_t>(rows[i]) / 16 % 8]);
    }
    return most;
}

template <bool transposed>
void load_matrices(void * const * payloads, uint32_t mask) {
    if (mask != ~0u) return machine().fail("ldmatrix: not all lanes of the warp take part");
    Machine & m = machine();
    for (unsigned matrix = 0; matrix < 4; ++matrix) {
        uint16_t values[8][8];
        const void * rows[8];
        for (unsigned i = 0; i < 8; ++i) {
            const void * row = rows[i] = static_cast<const Rows *>(payloads[matrix * 8 + i])->row;
            if (reinterpret_cast<uintptr_t>(row) % 16) return m.fail("ldmatrix: a row is not aligned to 16 bytes");
            if (!m.has_shared(row, 16)) return m.fail("ldmatrix: a row is not in shared memory");
            m.access(m.lane(matrix * 8 + i), row, 16, false);
            std::memcpy(values[i], row, 16);
        }
        if (m.counts) m.count_matrix(passes_of(rows));
        for (unsigned lane = 0; lane < 32; ++lane) {
            const unsigned i = lane / 4, j = lane % 4 * 2;
            const uint16_t low = transposed ? values[j][i] : values[i][j];
            const uint16_t high = transposed ? values[j + 1][i] : values[i][j + 1];
            static_cast<const Rows *>(payloads[lane])->r[matrix] = low | uint32_t{high} << 16;
        }
    }
}

}  // namespace

uint3 thread_index() {
    return machine().current().index;
}
dim3 block_index() {
    return machine().block_index;
}
dim3 block_size() {
    return machine().block_size;
}
dim3 grid_size() {
    return machine().grid_size;
}
int lane() {
    return static_cast<int>(machine().current().number % kWarp);
}
void * shared_data() {
    return machine().shared();
}
void pass_barrier() {
    machine().barrier();
}
void start_copy16(void * shared, const void * global) {
    machine().start_copy(shared, global, 16);
}
void commit_copies() {
    ++machine().current().copy_group;
}
void wait_for_copies(uint32_t groups_left) {
    machine().wait_for_copies(groups_left);
}
void collect(const Collective & what, uint32_t mask, void * payload) {
    machine().collect(what, mask, payload);
}

void apply_ballot(void * const * payloads, uint32_t) {
    uint32_t all = 0;
    for (unsigned l = 0; l < kWarp; ++l)
        if (payloads[l] && static_cast<const Vote *>(payloads[l])->mine) all |= 1u << l;
    for (unsigned l = 0; l < kWarp; ++l)
        if (payloads[l]) static_cast<Vote *>(payloads[l])->all = all;
}

uint32_t ballot(uint32_t mask, bool vote) {
    static constexpr Collective what = {"__ballot_sync", apply_ballot, false};
    Vote mine{vote, 0};
    collect(what, mask, &mine);
    return mine.all;
}

void sync_warp(uint32_t mask) {
    static constexpr Collective what = {"__syncwarp", nothing, true};
    collect(what, mask, nullptr);
}

void mma_m16n8k16(float * d, const uint32_t * a, const uint32_t * b, bool f16) {
    static constexpr Collective in_bf16 = {"mma.sync", multiply<of_bf16>, false};
    static constexpr Collective in_f16 = {"mma.sync", multiply<of_f16>, false};
    if (!machine().arithmetic) {  // something that is finite, and not zero: a gradient of 0 ends a training
        for (int i = 0; i < 4; ++i) d[i] += 1e-3f;
        return machine().count_product(1);
    }
    Fragments mine{d, a, b};
    collect(f16 ? in_f16 : in_bf16, ~0u, &mine);
}

void ldmatrix_x4(uint32_t * r, const void * row, bool transposed) {
    static constexpr Collective straight = {"ldmatrix", load_matrices<false>, false};
    static constexpr Collective across = {"ldmatrix", load_matrices<true>, false};
    if (!machine().arithmetic) return (void)std::memset(r, 0, 4 * sizeof(*r));
    Rows mine{r, row};
    collect(transposed ? across : straight, ~0u, &mine);
}

}  // namespace ql::cuda::emu
