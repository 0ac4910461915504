// Operators of rows: norms, softmax, sums, the largest.
#include "backends/vulkan/ops/dispatch.hpp"
#include "ggml/ops/params.hpp"

namespace ql::vulkan {
namespace {

int32_t width_of(const Launch & l) {
    return number(l.in(0).ne(0));
}
int32_t rows_of(const Launch & l) {
    return number(l.in(0).shape.rows());
}

struct RmsNormPush {
    Address x, w, y;
    int32_t width, n_rows;
    float eps;
};
Status rms_norm(const Launch & l) {
    const RmsNormPush push{source(l, 0), source(l, 1), result(l, 0),
                           width_of(l),  rows_of(l),   l.params<RmsNormParams>().eps};
    return each_row(l, shader::rms_norm, push, push.n_rows, {numbers_of(*l.node.out[0])});
}

struct RmsNormBackPush {
    Address x, w, dy, dx;
    int32_t width, n_rows;
    float eps;
};
Status rms_norm_back(const Launch & l) {
    const RmsNormBackPush push{
        source(l, 0), source(l, 1), source(l, 2), result(l, 0), width_of(l), rows_of(l), l.params<RmsNormParams>().eps};
    return each_row(l, shader::rms_norm_back, push, push.n_rows);
}
/// Of a row of one number the two terms cancel to eps's share.
Status expect_rows(const Node & n) {
    if (n.src[0]->ne(0) > 1) return {};
    return error(QL_UNSUPPORTED, "rms_norm_back: no Vulkan kernel takes rows of one number, whose gradient needs f64");
}

struct RmsFactorsPush {
    Address x, r;
    int32_t width, n_rows;
    float eps;
};
struct ColumnDotsPush {
    Address a, b, r, y;
    int32_t width, n_rows;
};
size_t rms_norm_back_w_scratch(const Node & n, const DeviceImpl &) {
    return static_cast<size_t>(n.src[0]->shape.rows()) * sizeof(float);
}
Status rms_norm_back_w(const Launch & l) {
    const Address r = at(l, l.scratch);
    const RmsFactorsPush factors{source(l, 0), r, width_of(l), rows_of(l), l.params<RmsNormParams>().eps};
    QL_TRY(each_row(l, shader::rms_factors, factors, factors.n_rows));
    const ColumnDotsPush dots{source(l, 0), source(l, 1), r, result(l, 0), width_of(l), rows_of(l)};
    return each_element(l, shader::column_dots, dots, dots.width, {true});
}
Status column_dots(const Launch & l) {
    const ColumnDotsPush push{source(l, 0), source(l, 1), 0, result(l, 0), width_of(l), rows_of(l)};
    return each_element(l, shader::column_dots, push, push.width, {false});
}

struct LayerNormPush {
    Address x, w, b, y;
    int32_t width, n_rows;
    float eps;
};
Status layer_norm(const Launch & l) {
    const LayerNormPush push{source(l, 0),
                             source(l, 1),
                             source(l, 2),
                             result(l, 0),
                             width_of(l),
                             rows_of(l),
                             l.params<LayerNormParams>().eps};
    return each_row(l, shader::layer_norm, push, push.n_rows, {l.has(1), l.has(2)});
}

struct RowsPush {
    Address x, y;
    int32_t width, n_rows;
};
Status softmax(const Launch & l) {
    const RowsPush push{source(l, 0), result(l, 0), width_of(l), rows_of(l)};
    return each_row(l, shader::softmax, push, push.n_rows, {numbers_of(l.in(0))});
}
Status sum_rows(const Launch & l) {
    const RowsPush push{source(l, 0), result(l, 0), width_of(l), rows_of(l)};
    return each_row(l, shader::sum_rows, push, push.n_rows, {numbers_of(l.in(0))});
}

struct TilesPush {
    Address x, y;
    int32_t n, size, width;
};
TilesPush tiles_push(const Launch & l) {
    const Operand & y = *l.node.out[0];
    return {source(l, 0), result(l, 0), elements(y), width_of(l), number(y.ne(0))};
}
Status sum_tiles(const Launch & l) {
    const TilesPush push = tiles_push(l);
    return each_element(l, shader::sum_tiles, push, push.n);
}
Status tile(const Launch & l) {
    const TilesPush push = tiles_push(l);
    return each_element(l, shader::tile, push, push.n);
}

struct TopKPush {
    Address x, values, ids, places;
    int32_t width, n_rows, k;
};
Status top_k(const Launch & l) {
    const TopKPush push{source(l, 0),
                        result(l, 0),
                        result(l, 1),
                        result(l, 2),
                        width_of(l),
                        rows_of(l),
                        number(l.params<TopKParams>().k)};
    return each_row(l, shader::top_k, push, push.n_rows, {numbers_of(l.in(0))});
}

struct SquaresPush {
    Address x, sums;
    int32_t n, n_rows;
};
struct RootPush {
    Address sums, y;
    int32_t n;
};
int64_t square_blocks(const Operand & x) {
    return (x.shape.elements() + 1023) / 1024;
}
size_t global_norm_scratch(const Node & n, const DeviceImpl &) {
    int64_t blocks = 0;
    for (const Operand * x : n.src) blocks += square_blocks(*x);
    return static_cast<size_t>(blocks) * sizeof(float);
}
Status global_norm(const Launch & l) {
    const Address sums = at(l, l.scratch);
    int64_t done = 0;
    for (int i = 0; i < static_cast<int>(l.node.src.size()); ++i) {
        const int64_t blocks = square_blocks(l.in(i));
        const SquaresPush push{source(l, i), sums + static_cast<Address>(done) * sizeof(float), elements(l.in(i)),
                               number(blocks)};
        QL_TRY(each_row(l, shader::squares, push, blocks));
        done += blocks;
    }
    return dispatch(l, shader::root_of_sum, RootPush{sums, result(l, 0), number(done)}, {});
}

struct DoraScalePush {
    Address g, w2, c, p, b, y, inverse;
    int32_t n, r;
    float s;
};
Status dora_scale(const Launch & l) {
    const DoraScalePush push{
        source(l, 0), source(l, 1), source(l, 2),          source(l, 3),          source(l, 4),
        result(l, 0), result(l, 1), number(l.in(4).ne(1)), number(l.in(4).ne(0)), l.params<LoraParams>().scale};
    return each_element(l, shader::dora_scale, push, push.n);
}

}  // namespace

const Kernel kernel::rms_norm = row<::ql::vulkan::rms_norm>(nullptr, nullptr, takes_bf16);
const Kernel kernel::rms_norm_back = row<::ql::vulkan::rms_norm_back, expect_rows>();
const Kernel kernel::rms_norm_back_w = row<::ql::vulkan::rms_norm_back_w>(rms_norm_back_w_scratch);
const Kernel kernel::column_dots = row<::ql::vulkan::column_dots>();
const Kernel kernel::layer_norm = row<::ql::vulkan::layer_norm>();
const Kernel kernel::softmax = row<::ql::vulkan::softmax>();
const Kernel kernel::sum_rows = row<::ql::vulkan::sum_rows>();
const Kernel kernel::sum_tiles = row<::ql::vulkan::sum_tiles>();
const Kernel kernel::tile = row<::ql::vulkan::tile>();
const Kernel kernel::top_k = row<::ql::vulkan::top_k>();
const Kernel kernel::global_norm = row<::ql::vulkan::global_norm>(global_norm_scratch);
const Kernel kernel::dora_scale = row<::ql::vulkan::dora_scale>();
}  // namespace ql::vulkan
