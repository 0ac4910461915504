// Operators that move elements: a thread copies an element of 1, 2 or 4 bytes. And rows by number.
#include "backends/cuda/ops/elements.cuh"
#include "ggml/ops/moves.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cuda {
namespace {

template <typename Element>
struct Moved {
    const Element * from;
    Element * to;
    int64_t ne[3], from_step[4], to_step[4];
    __device__ void operator()(int64_t at) const {
        const int64_t row = at / ne[0];
        const int64_t i[4] = {at % ne[0], row % ne[1], row / ne[1] % ne[2], row / ne[1] / ne[2]};
        int64_t a = 0, b = 0;
        for (int d = 0; d < 4; ++d) a += i[d] * from_step[d], b += i[d] * to_step[d];
        to[b] = from[a];
    }
};

template <typename Element>
Status move_elements(const Launch & l, const Move & m) {
    Moved<Element> f{static_cast<const Element *>(l.src[m.source]) + m.from,
                     static_cast<Element *>(l.out[0]) + m.to,
                     {m.shape[0], m.shape[1], m.shape[2]},
                     {},
                     {}};
    for (size_t d = 0; d < 4; ++d) f.from_step[d] = m.from_strides[d], f.to_step[d] = m.to_strides[d];
    return for_each(l, f, m.shape.elements());
}

Status move(const Launch & l, const Move & m) {
    switch (ql_dtype_bytes(l.in(0).dtype, 1)) {
        case 1:
            return move_elements<uint8_t>(l, m);
        case 2:
            return move_elements<uint16_t>(l, m);
        default:
            return move_elements<uint32_t>(l, m);
    }
}
template <Move (*what)(const Node &)>
Status moved(const Launch & l) {
    return move(l, what(l.node));
}
Status padded(const Launch & l) {
    QL_TRY(check(cudaMemsetAsync(l.out[0], 0, l.node.out[0]->bytes(), device_of(l).stream()), "pad"));
    return move(l, pad_move(l.node));
}
Status joined(const Launch & l) {
    QL_TRY(move(l, concat_move(l.node, 0)));
    return move(l, concat_move(l.node, 1));
}

/// The result is the source's bytes.
Status reshaped(const Launch &) {
    return {};
}

struct Gathered {
    Numbers x;
    const int32_t * ids;
    float * y;
    int64_t width, n_rows;
    __device__ void operator()(int64_t i) const {
        const int64_t id = ids[i / width];
        y[i] = id < 0 ? 0 : id < n_rows ? x[id * width + i % width] : NAN;
    }
};
Status gather_rows(const Launch & l) {
    const Gathered f{numbers(l, 0), l.ids(1), l.y(0), l.in(0).ne(0), l.in(0).ne(1)};
    return for_each(l, f, l.node.out[0]->shape.elements());
}

/// A warp takes a row of the result: it looks through all ids, 32 at a time, and adds the rows that are its own in order.
struct Scattered {
    Numbers x;
    const int32_t * ids;
    float * y;
    int64_t width, n_rows, n_ids;
    __device__ void operator()(int64_t row, int lane) const {
        for (int64_t i = lane; i < width; i += 32) y[row * width + i] = 0;
        bool past = false;
        for (int64_t t = 0; t < n_ids; t += 32) {
            const int64_t id = t + lane < n_ids ? ids[t + lane] : -1;
            past |= __ballot_sync(0xffffffffu, id >= n_rows) != 0;
            uint32_t own = __ballot_sync(0xffffffffu, id == row);
            for (int at = 0; own; ++at, own >>= 1)
                for (int64_t i = lane; (own & 1) && i < width; i += 32) y[row * width + i] += x[(t + at) * width + i];
        }
        for (int64_t i = lane; past && i < width; i += 32) y[row * width + i] = NAN;
    }
};
Status scatter_add_rows(const Launch & l) {
    const int64_t n_rows = l.params<ScatterAddRowsParams>().n_rows;
    const Scattered f{numbers(l, 0), l.ids(1), l.y(0), l.in(0).ne(0), n_rows, l.in(0).ne(1)};
    return for_each_row(l, f, n_rows);
}

struct Stored {
    const float * rows;
    const int32_t * ids;
    void * cache;
    int64_t width, n_cache;
    bool f16;
    __device__ void operator()(int64_t i) const {
        const int64_t at = ids[i / width];
        if (at < 0 || at >= n_cache) return;
        const int64_t to = at * width + i % width;
        if (!f16) {
            static_cast<float *>(cache)[to] = rows[i];
            return;
        }
        const uint16_t h = to_f16(rows[i]);  // Inf becomes NaN, which a reader notices
        static_cast<uint16_t *>(cache)[to] = (h & 0x7fff) == 0x7c00 ? h | 0x0200 : h;
    }
};
Status kv_store(const Launch & l) {
    const Stored f{l.x(1), l.ids(2), l.out[0], l.in(0).ne(0), l.in(0).ne(1), l.in(0).dtype == QL_F16};
    return for_each(l, f, l.in(1).shape.elements());
}

}  // namespace

const Kernel kernel::slice = {.launch = moved<slice_move>};
const Kernel kernel::permute = {.launch = moved<permute_move>};
const Kernel kernel::expand = {.launch = moved<expand_move>};
const Kernel kernel::pad = {.launch = padded};
const Kernel kernel::concat = {.launch = joined};
const Kernel kernel::reshape = {.launch = reshaped};
const Kernel kernel::gather_rows = {.launch = ::ql::cuda::gather_rows};
const Kernel kernel::scatter_add_rows = {.launch = ::ql::cuda::scatter_add_rows};
const Kernel kernel::kv_store = {.launch = ::ql::cuda::kv_store};
}  // namespace ql::cuda
