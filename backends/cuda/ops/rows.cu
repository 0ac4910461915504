// Operators of rows: a warp takes a row, its lanes take every 32nd element and add up by shuffles. What a row needs is
// read once or twice, the second time from the cache.
#include "backends/cuda/ops/elements.cuh"
#include "ggml/ops/params.hpp"

namespace ql::cuda {
namespace {

constexpr int kWarpSize = 32;

/// 1 / sqrt(mean(x^2) + eps) of a row.
__device__ float rms_factor(const float * x, int64_t width, float eps, int lane) {
    float squares = 0;
    for (int64_t i = lane; i < width; i += kWarpSize) squares = fmaf(x[i], x[i], squares);
    return 1 / sqrtf(warp_sum(squares) / static_cast<float>(width) + eps);
}

struct RmsNorm {
    const float *x, *w;
    float * y;
    int64_t width;
    float eps;
    __device__ void operator()(int64_t row, int lane) const {
        const float * from = x + row * width;
        const float r = rms_factor(from, width, eps, lane);
        for (int64_t i = lane; i < width; i += kWarpSize) y[row * width + i] = from[i] * r * w[i];
    }
};
Status rms_norm(const Launch & l) {
    const RmsNorm f{l.x(0), l.x(1), l.y(0), l.in(0).ne(0), l.params<RmsNormParams>().eps};
    return for_each_row(l, f, l.in(0).shape.rows());
}

/// In f64 where the terms cancel: of a short row nothing else would be left than their roundings.
struct RmsNormBack {
    const float *x, *w, *dy;
    float * dx;  // may lie in dy's storage
    int64_t width;
    float eps;
    __device__ void operator()(int64_t row, int lane) const {
        const float *from = x + row * width, *d = dy + row * width;
        double squares = 0, dot = 0;
        for (int64_t i = lane; i < width; i += kWarpSize) {
            const auto number = static_cast<double>(from[i]);
            squares += number * number;
            dot += number * static_cast<double>(w[i]) * static_cast<double>(d[i]);
        }
        const auto n = static_cast<double>(width);
        const double r = 1 / sqrt(warp_sum(squares) / n + static_cast<double>(eps));
        const double c = r * r * r * warp_sum(dot) / n;
        for (int64_t i = lane; i < width; i += kWarpSize)
            dx[row * width + i] = static_cast<float>(r * static_cast<double>(w[i]) * static_cast<double>(d[i]) -
                                                     c * static_cast<double>(from[i]));
    }
};
Status rms_norm_back(const Launch & l) {
    const RmsNormBack f{l.x(0), l.x(1), l.x(2), l.y(0), l.in(0).ne(0), l.params<RmsNormParams>().eps};
    return for_each_row(l, f, l.in(0).shape.rows());
}

struct RmsFactors {
    const float * x;
    float * r;
    int64_t width;
    float eps;
    __device__ void operator()(int64_t row, int lane) const {
        const float factor = rms_factor(x + row * width, width, eps, lane);
        if (lane == 0) r[row] = factor;
    }
};
/// y[i] = sum over rows t of a[i, t] b[i, t] r[t], in the order of t; r may be absent.
struct ColumnDots {
    const float *a, *b, *r;
    float * y;
    int64_t width, n_rows;
    __device__ void operator()(int64_t i) const {
        float sum = 0;
        for (int64_t t = 0; t < n_rows; ++t)
            sum = fmaf(r ? a[t * width + i] * r[t] : a[t * width + i], b[t * width + i], sum);
        y[i] = sum;
    }
};
size_t rms_norm_back_w_scratch(const Node & n, const DeviceImpl &) {
    return static_cast<size_t>(n.src[0]->shape.rows()) * sizeof(float);
}
Status rms_norm_back_w(const Launch & l) {
    auto * r = reinterpret_cast<float *>(l.scratch);
    const int64_t width = l.in(0).ne(0), n_rows = l.in(0).shape.rows();
    QL_TRY(for_each_row(l, RmsFactors{l.x(0), r, width, l.params<RmsNormParams>().eps}, n_rows));
    return for_each(l, ColumnDots{l.x(0), l.x(1), r, l.y(0), width, n_rows}, width);
}
Status column_dots(const Launch & l) {
    const int64_t width = l.in(0).ne(0), n_rows = l.in(0).shape.rows();
    return for_each(l, ColumnDots{l.x(0), l.x(1), nullptr, l.y(0), width, n_rows}, width);
}

struct LayerNorm {
    const float *x, *w, *b;  // w and b may be absent
    float * y;
    int64_t width;
    float eps;
    __device__ void operator()(int64_t row, int lane) const {
        const float * from = x + row * width;
        const auto n = static_cast<float>(width);
        float sum = 0, squares = 0;
        for (int64_t i = lane; i < width; i += kWarpSize) sum += from[i];
        const float mean = warp_sum(sum) / n;
        for (int64_t i = lane; i < width; i += kWarpSize) squares = fmaf(from[i] - mean, from[i] - mean, squares);
        const float r = 1 / sqrtf(warp_sum(squares) / n + eps);
        for (int64_t i = lane; i < width; i += kWarpSize)
            y[row * width + i] = fmaf((w ? w[i] : 1) * (from[i] - mean), r, b ? b[i] : 0);
    }
};
Status layer_norm(const Launch & l) {
    const LayerNorm f{l.x(0),        l.has(1) ? l.x(1) : nullptr,    l.has(2) ? l.x(2) : nullptr, l.y(0),
                      l.in(0).ne(0), l.params<LayerNormParams>().eps};
    return for_each_row(l, f, l.in(0).shape.rows());
}

struct Softmax {
    Numbers x;
    float * y;
    int64_t width;
    __device__ void operator()(int64_t row, int lane) const {
        float top = -INFINITY, sum = 0;
        for (int64_t i = lane; i < width; i += kWarpSize) top = fmaxf(top, x[row * width + i]);
        top = warp_max(top);
        for (int64_t i = lane; i < width; i += kWarpSize) sum += expf(x[row * width + i] - top);
        sum = warp_sum(sum);
        for (int64_t i = lane; i < width; i += kWarpSize) y[row * width + i] = expf(x[row * width + i] - top) / sum;
    }
};
Status softmax(const Launch & l) {
    return for_each_row(l, Softmax{numbers(l, 0), l.y(0), l.in(0).ne(0)}, l.in(0).shape.rows());
}

struct RowSum {
    Numbers x;
    float * y;
    int64_t width;
    __device__ void operator()(int64_t row, int lane) const {
        float sum = 0;
        for (int64_t i = lane; i < width; i += kWarpSize) sum += x[row * width + i];
        sum = warp_sum(sum);
        if (lane == 0) y[row] = sum;
    }
};
Status sum_rows(const Launch & l) {
    return for_each_row(l, RowSum{numbers(l, 0), l.y(0), l.in(0).ne(0)}, l.in(0).shape.rows());
}

struct TileSum {
    const float * x;
    float * y;
    int64_t size, width;
    __device__ void operator()(int64_t i) const {
        const float * row = x + i / width * size;
        float sum = 0;
        for (int64_t j = i % width; j < size; j += width) sum += row[j];
        y[i] = sum;
    }
};
Status sum_tiles(const Launch & l) {
    const Operand & y = *l.node.out[0];
    return for_each(l, TileSum{l.x(0), l.y(0), l.in(0).ne(0), y.ne(0)}, y.shape.elements());
}

struct Tile {
    const float * x;
    float * y;
    int64_t size, width;
    __device__ void operator()(int64_t i) const { y[i] = x[i / width * size + i % width % size]; }
};
Status tile(const Launch & l) {
    const Operand & y = *l.node.out[0];
    return for_each(l, Tile{l.x(0), l.y(0), l.in(0).ne(0), y.ne(0)}, y.shape.elements());
}

/// Whether element a, at place i, stands before b, at j: the larger first, NaN last, of equal ones the earlier.
__device__ bool stands_before(float a, int64_t i, float b, int64_t j) {
    const bool nan_a = a != a, nan_b = b != b;
    if (a > b || (!nan_a && nan_b)) return true;
    if (b > a || (nan_a && !nan_b)) return false;
    return i < j;
}
/// Each of the k passes finds the first element after the one before; the row is read k times.
struct TopK {
    Numbers x;
    float * values;
    int32_t *ids, *places;
    int64_t width, k;
    __device__ void operator()(int64_t row, int lane) const {
        float last = 0;
        int64_t last_at = -1;
        for (int64_t pass = 0; pass < k; ++pass) {
            float best = 0;
            int64_t at = -1;
            for (int64_t i = lane; i < width; i += kWarpSize) {
                const float v = x[row * width + i];
                if (last_at >= 0 && !stands_before(last, last_at, v, i)) continue;
                if (at < 0 || stands_before(v, i, best, at)) best = v, at = i;
            }
            for (int by = 16; by > 0; by /= 2) {
                const float other = __shfl_xor_sync(0xffffffffu, best, by);
                const int64_t other_at = __shfl_xor_sync(0xffffffffu, at, by);
                if (other_at >= 0 && (at < 0 || stands_before(other, other_at, best, at))) best = other, at = other_at;
            }
            last = best, last_at = at;
            if (lane) continue;
            values[row * k + pass] = best;
            ids[row * k + pass] = static_cast<int32_t>(at);
            places[row * k + pass] = static_cast<int32_t>(row * width + at);
        }
    }
};
Status top_k(const Launch & l) {
    const TopK f{numbers(l, 0),
                 l.y(0),
                 static_cast<int32_t *>(l.out[1]),
                 static_cast<int32_t *>(l.out[2]),
                 l.in(0).ne(0),
                 l.params<TopKParams>().k};
    return for_each_row(l, f, l.in(0).shape.rows());
}

/// Of each block of 1024 elements the sum of squares, in f64.
struct Squares {
    const float * x;
    double * sums;
    int64_t n;
    __device__ void operator()(int64_t row, int lane) const {
        double sum = 0;
        for (int64_t i = row * 1024 + lane; i < n && i < row * 1024 + 1024; i += kWarpSize)
            sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
        sum = warp_sum(sum);
        if (lane == 0) sums[row] = sum;
    }
};
struct RootOfSum {
    const double * sums;
    float * y;
    int64_t n;
    __device__ void operator()(int64_t, int lane) const {
        double sum = 0;
        for (int64_t i = lane; i < n; i += kWarpSize) sum += sums[i];
        sum = warp_sum(sum);
        if (lane == 0) y[0] = static_cast<float>(sqrt(sum));
    }
};
int64_t square_blocks(const Operand & x) {
    return (x.shape.elements() + 1023) / 1024;
}
size_t global_norm_scratch(const Node & n, const DeviceImpl &) {
    int64_t blocks = 0;
    for (const Operand * x : n.src) blocks += square_blocks(*x);
    return static_cast<size_t>(blocks) * sizeof(double);
}
Status global_norm(const Launch & l) {
    auto * sums = reinterpret_cast<double *>(l.scratch);
    int64_t done = 0;
    for (int i = 0; i < static_cast<int>(l.node.src.size()); ++i) {
        const int64_t blocks = square_blocks(l.in(i));
        QL_TRY(for_each_row(l, Squares{l.x(i), sums + done, l.in(i).shape.elements()}, blocks));
        done += blocks;
    }
    return for_each_row(l, RootOfSum{sums, l.y(0), done}, 1);
}

/// dora_scale: an output row's factor, and the inverse of its length.
struct DoraScale {
    const float *g, *w2, *c, *p, *b;
    float *y, *inverse;
    int64_t r;
    float s;
    __device__ void operator()(int64_t i) const {
        float change = 0;
        for (int64_t j = i * r; j < (i + 1) * r; ++j) change = fmaf(b[j] * s, 2 * c[j] + s * p[j], change);
        const float squares = w2[i] + change;
        inverse[i] = squares > 0 ? 1 / sqrtf(squares) : squares != squares ? squares : 0;
        y[i] = g[i] * inverse[i];
    }
};
Status dora_scale(const Launch & l) {
    const DoraScale f{
        l.x(0), l.x(1), l.x(2), l.x(3), l.x(4), l.y(0), l.y(1), l.in(4).ne(0), l.params<LoraParams>().scale};
    return for_each(l, f, l.in(4).ne(1));
}

}  // namespace

const Kernel kernel::rms_norm = {.launch = ::ql::cuda::rms_norm};
const Kernel kernel::rms_norm_back = {.launch = ::ql::cuda::rms_norm_back};
const Kernel kernel::rms_norm_back_w = {.launch = ::ql::cuda::rms_norm_back_w, .scratch = rms_norm_back_w_scratch};
const Kernel kernel::column_dots = {.launch = ::ql::cuda::column_dots};
const Kernel kernel::layer_norm = {.launch = ::ql::cuda::layer_norm};
const Kernel kernel::softmax = {.launch = ::ql::cuda::softmax};
const Kernel kernel::sum_rows = {.launch = ::ql::cuda::sum_rows};
const Kernel kernel::sum_tiles = {.launch = ::ql::cuda::sum_tiles};
const Kernel kernel::tile = {.launch = ::ql::cuda::tile};
const Kernel kernel::top_k = {.launch = ::ql::cuda::top_k};
const Kernel kernel::global_norm = {.launch = ::ql::cuda::global_norm, .scratch = global_norm_scratch};
const Kernel kernel::dora_scale = {.launch = ::ql::cuda::dora_scale};
}  // namespace ql::cuda
