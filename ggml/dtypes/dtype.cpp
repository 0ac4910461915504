// The table of formats, one row expanded from each format's struct and its row in dtypes.def. What a row needs and a
// struct lacks is a compile error here, as is an encoder where the row says that there is none.
#include "ggml/dtypes/dtype.hpp"

#include <algorithm>
#include <type_traits>

#include "common/structs.hpp"
#include "ggml/dtypes/visit.hpp"

namespace ql {
namespace {

template <class Format>
void decode_f64(const void * src, int64_t n, int64_t first, int64_t count, double * dst) {
    if constexpr (std::is_same_v<Format, I32>) {
        std::copy_n(static_cast<const int32_t *>(src) + first, count, dst);
        return;
    }
    constexpr int64_t kChunk = 256;  // a multiple of every block length
    static_assert(kChunk % Format::block_length == 0);
    float piece[kChunk];
    for (int64_t i = 0; i < count; i += kChunk) {
        const int64_t size = std::min(kChunk, count - i);
        Format::decode(src, n, first + i, size, piece);
        std::copy_n(piece, size, dst + i);
    }
}

template <class Format, Holds holds, Access access>
constexpr DTypeDef row() {
    constexpr bool has_encoder = requires {
        &Format::encode;
    };
    static_assert(has_encoder == (access == Access::written), "dtypes.def and the struct disagree on writing");
    DTypeDef def = {};
    def.name = Format::name;
    def.id = Format::id;
    def.block_length = Format::block_length;
    def.holds = holds;
    def.quantised = Format::quantised;
    if constexpr (requires { typename Format::Block; }) {
        def.block_bytes = sizeof(typename Format::Block);
        def.alignment = alignof(typename Format::Block);
    } else {
        def.alignment = alignof(float);  // planes of codes and f32 scales
    }
    def.file_type = -1;
    if constexpr (requires { Format::file_type; }) def.file_type = Format::file_type;
    def.bytes = [](int64_t n) { return Format::bytes(n); };
    if constexpr (has_encoder) def.encode = &Format::encode;
    if constexpr (requires { &Format::encode_search; }) def.encode_search = &Format::encode_search;
    def.decode = &Format::decode;
    def.decode_f64 = &decode_f64<Format>;
    return def;
}

constexpr DTypeDef kTable[] = {
#define QL_FORMAT(Format, holds, access) row<Format, Holds::holds, Access::access>(),
#include "ggml/dtypes/dtypes.def"
};

}  // namespace

const DTypeDef * find_dtype(ql_dtype dtype) {
    const auto * end = std::end(kTable);
    const auto number = enum_number(dtype);  // a C caller's may be any
    const auto * found =
        std::find_if(std::begin(kTable), end, [&](const DTypeDef & def) { return enum_number(def.id) == number; });
    return found == end ? nullptr : found;
}

bool is_planar(ql_dtype dtype) {
    const DTypeDef * def = find_dtype(dtype);
    return def != nullptr && def->block_bytes == 0;
}

std::span<const DTypeDef> all_dtypes() {
    return kTable;
}

}  // namespace ql
