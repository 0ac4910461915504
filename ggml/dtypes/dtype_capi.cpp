// Implements ql/dtype.h over the table of formats: here the arguments are checked, once, for every format.
#include <cmath>
#include <string>
#include <string_view>

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/scale_search.hpp"
#include "ql/dtypes.hpp"

namespace ql {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

Status unknown(ql_dtype dtype) {
    return error(QL_BAD_DTYPE, "element type %u is not known; ql_dtype lists the types", static_cast<unsigned>(dtype));
}

Status check_aligned(const char * what, const void * p, size_t alignment, const char * format) {
    if (p == nullptr) return error(QL_INVALID_ARGUMENT, "%s is NULL", what);
    if (reinterpret_cast<uintptr_t>(p) % alignment == 0) return {};
    return error(QL_INVALID_ARGUMENT, "%s is not aligned to %zu bytes, which %s needs", what, alignment, format);
}

/// A count or position that is not negative and falls on a block's border.
Status check_blocks(const char * what, int64_t value, const DTypeDef & def) {
    if (value >= 0 && value % def.block_length == 0) return {};
    return error(QL_BAD_SHAPE, "%s is %lld, not a multiple of the block length %lld of %s", what,
                 static_cast<long long>(value), static_cast<long long>(def.block_length), def.name);
}

Status from_name(const char * name, ql_dtype * dtype) {
    if (name == nullptr || dtype == nullptr) return error(QL_INVALID_ARGUMENT, "name or dtype is NULL");
    std::string known;
    for (const DTypeDef & def : all_dtypes()) {
        if (same_name(def.name, name)) {
            *dtype = def.id;
            return {};
        }
        known += (known.empty() ? "" : " ") + std::string(def.name);
    }
    return error(QL_NOT_FOUND, "element type '%.64s' is not known; known are %s", name, known.c_str());
}

/// False where there is nothing to encode.
Result<bool> check_encoding(const DTypeDef & def, const float * src, int64_t n, const void * dst) {
    QL_TRY(check_blocks("n", n, def));
    if (n == 0) return false;
    if (def.bytes(n) == 0) return error(QL_BAD_SHAPE, "n is %lld, too large", static_cast<long long>(n));
    QL_TRY(check_aligned("src", src, alignof(float), "f32"));
    QL_TRY(check_aligned("dst", dst, def.alignment, def.name));
    return true;
}

Status encode(ql_dtype dtype, const float * src, int64_t n, void * dst) {
    const DTypeDef * def = find_dtype(dtype);
    if (def == nullptr) return unknown(dtype);
    if (def->encode == nullptr)
        return error(QL_UNSUPPORTED, "%s can be read, not written; %s can", def->name,
                     dtype_names(ql_dtype_can_encode).c_str());
    QL_ASSIGN(const bool any, check_encoding(*def, src, n, dst));
    return any ? def->encode(src, n, dst) : Status();
}

Status check_importance(const Importance & importance, int64_t n, const DTypeDef & def) {
    if (importance.columns == nullptr) return {};
    QL_TRY(check_blocks("row", importance.row, def));
    if (importance.row == 0 || n % importance.row != 0)
        return error(QL_BAD_SHAPE, "n is %lld, no whole rows of %lld", static_cast<long long>(n),
                     static_cast<long long>(importance.row));
    for (int64_t i = 0; i < importance.row; ++i) {
        const float v = importance.columns[i];
        if (!std::isfinite(v)) return error(QL_NON_FINITE, "importance %lld is no number", static_cast<long long>(i));
        if (v < 0) return error(QL_INVALID_ARGUMENT, "importance %lld is negative", static_cast<long long>(i));
    }
    return {};
}

Status encode_search(ql_dtype dtype, const float * src, int64_t n, const Importance & importance, void * dst) {
    const DTypeDef * def = find_dtype(dtype);
    if (def == nullptr) return unknown(dtype);
    if (def->encode_search == nullptr)
        return error(QL_UNSUPPORTED, "%s has no search for its scales; %s have", def->name,
                     dtype_names(ql_dtype_can_search).c_str());
    QL_ASSIGN(const bool any, check_encoding(*def, src, n, dst));
    if (!any) return {};
    QL_TRY(check_importance(importance, n, *def));
    return def->encode_search(src, n, importance, dst);
}

Status decode(ql_dtype dtype, const void * src, int64_t n, int64_t first, int64_t count, float * dst) {
    const DTypeDef * def = find_dtype(dtype);
    if (def == nullptr) return unknown(dtype);
    QL_TRY(check_blocks("n", n, *def));
    QL_TRY(check_blocks("first", first, *def));
    QL_TRY(check_blocks("count", count, *def));
    if (first > n || count > n - first) {
        return error(QL_BAD_SHAPE, "%lld elements from element %lld on lie outside the tensor's %lld",
                     static_cast<long long>(count), static_cast<long long>(first), static_cast<long long>(n));
    }
    if (count == 0) return {};
    if (def->bytes(n) == 0) return error(QL_BAD_SHAPE, "n is %lld, too large", static_cast<long long>(n));
    QL_TRY(check_aligned("src", src, def->alignment, def->name));
    QL_TRY(check_aligned("dst", dst, alignof(float), "f32"));
    def->decode(src, n, first, count, dst);
    return {};
}

}  // namespace
}  // namespace ql

const char * ql_dtype_name(ql_dtype dtype) {
    const ql::DTypeDef * def = ql::find_dtype(dtype);
    return def == nullptr ? nullptr : def->name;
}

ql_status ql_dtype_from_name(const char * name, ql_dtype * dtype) {
    return ql::guarded([&] { return ql::from_name(name, dtype); });
}

int64_t ql_dtype_count(void) {
    return static_cast<int64_t>(ql::all_dtypes().size());
}

ql_status ql_dtype_at(int64_t i, ql_dtype * dtype) {
    return ql::guarded([&]() -> ql::Status {
        if (!dtype) return ql::error(QL_INVALID_ARGUMENT, "ql_dtype_at: dtype is NULL");
        if (i < 0 || i >= ql_dtype_count())
            return ql::error(QL_INVALID_ARGUMENT, "element type number %lld: there are %lld", static_cast<long long>(i),
                             static_cast<long long>(ql_dtype_count()));
        *dtype = ql::all_dtypes()[static_cast<size_t>(i)].id;
        return {};
    });
}

int64_t ql_dtype_block_length(ql_dtype dtype) {
    const ql::DTypeDef * def = ql::find_dtype(dtype);
    return def == nullptr ? 0 : def->block_length;
}

int ql_dtype_can_encode(ql_dtype dtype) {
    const ql::DTypeDef * def = ql::find_dtype(dtype);
    return def != nullptr && def->encode != nullptr;
}

int ql_dtype_can_search(ql_dtype dtype) {
    const ql::DTypeDef * def = ql::find_dtype(dtype);
    return def != nullptr && def->encode_search != nullptr;
}

int ql_dtype_is_weight(ql_dtype dtype) {
    const ql::DTypeDef * def = ql::find_dtype(dtype);
    return def != nullptr && def->holds == ql::Holds::weights;
}

int ql_dtype_file_type(ql_dtype dtype) {
    const ql::DTypeDef * def = ql::find_dtype(dtype);
    return def == nullptr ? -1 : def->file_type;
}

size_t ql_dtype_bytes(ql_dtype dtype, int64_t n) {
    const ql::DTypeDef * def = ql::find_dtype(dtype);
    return def == nullptr ? 0 : def->bytes(n);
}

ql_status ql_encode(ql_dtype dtype, const float * src, int64_t n, void * dst) {
    return ql::guarded([&] { return ql::encode(ql::dtype_of_caller(dtype), src, n, dst); });
}

ql_status ql_encode_search(ql_dtype dtype, const float * src, int64_t n, void * dst) {
    return ql::guarded([&] { return ql::encode_search(ql::dtype_of_caller(dtype), src, n, {}, dst); });
}

ql_status ql_encode_search_weighted(ql_dtype dtype, const float * src, int64_t n, const float * importance, int64_t row,
                                    void * dst) {
    return ql::guarded([&] { return ql::encode_search(ql::dtype_of_caller(dtype), src, n, {importance, row}, dst); });
}

ql_status ql_decode(ql_dtype dtype, const void * src, int64_t n, int64_t first, int64_t count, float * dst) {
    return ql::guarded([&] { return ql::decode(ql::dtype_of_caller(dtype), src, n, first, count, dst); });
}
