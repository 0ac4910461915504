// Tensor descriptions, and whether the data they promise is there. Offsets must be the running sum of padded sizes, as
// every writer makes them: then no two tensors overlap and nothing hides between them.
#include "ggml/gguf/parse.hpp"

#include "ggml/dtypes/dtype.hpp"

namespace ql::gguf {
namespace {

using ull = unsigned long long;

Status parse_dims(Cursor & cursor, const char * field, Tensor * tensor, int64_t * elements) {
    const uint64_t start = cursor.offset();
    uint32_t n_dims;
    QL_TRY(cursor.number(field, &n_dims));
    if (n_dims == 0 || n_dims > kMaxDims)
        return cursor.bad(field, start, "%u dimensions, must be 1 to %d", n_dims, kMaxDims);
    tensor->n_dims = static_cast<int>(n_dims);
    uint64_t product = 1;
    for (uint32_t i = 0; i < kMaxDims; i++) {
        int64_t & dim = tensor->ne[i];
        dim = 1;
        if (i >= n_dims) continue;
        const uint64_t offset = cursor.offset();
        QL_TRY(cursor.number(field, &dim));
        if (dim <= 0)
            return cursor.bad(field, offset, "dimension %u is %lld, must be positive", i, static_cast<long long>(dim));
        if (static_cast<uint64_t>(dim) > kMaxElements / product)
            return cursor.bad(field, offset, "the product of its dimensions overflows");
        product *= static_cast<uint64_t>(dim);
    }
    *elements = static_cast<int64_t>(product);
    return {};
}

Status parse_dtype(Cursor & cursor, const char * field, Tensor * tensor, int64_t elements) {
    const uint64_t offset = cursor.offset();
    int32_t id;
    QL_TRY(cursor.number(field, &id));
    tensor->dtype = static_cast<ql_dtype>(id < 0 ? INT32_MAX : id);  // the enum holds no negative numbers
    const int64_t block = ql_dtype_block_length(tensor->dtype);
    if (block <= 0) {
        if (const char * name = upstream_dtype_name(id))
            return error(QL_UNSUPPORTED,
                         "%s: %s (offset %llu): its type %s cannot be used here; quantise the model to "
                         "another type",
                         cursor.file().c_str(), field, static_cast<ull>(offset), name);
        return cursor.bad(field, offset, "unknown or removed type %d", id);
    }
    if (tensor->ne[0] % block != 0)
        return cursor.bad(field, offset, "rows of %lld elements are no multiple of the %lld of a block of %s",
                          static_cast<long long>(tensor->ne[0]), static_cast<long long>(block),
                          ql_dtype_name(tensor->dtype));
    tensor->size = ql_dtype_bytes(tensor->dtype, elements);
    if (tensor->size == 0 || tensor->size > static_cast<uint64_t>(INT64_MAX))
        return cursor.bad(field, offset, "%lld elements are too many", static_cast<long long>(elements));
    return {};
}

/// Checks the tensor's offset against `*end`, the padded sum of what came before, and adds the tensor to it.
Status parse_offset(Cursor & cursor, const char * field, uint64_t alignment, const Tensor & tensor, uint64_t * end) {
    const uint64_t offset = cursor.offset();
    uint64_t value, padded;
    QL_TRY(cursor.number(field, &value));
    if (value % alignment != 0)
        return cursor.bad(field, offset, "data offset %llu is no multiple of the alignment, %llu",
                          static_cast<ull>(value), static_cast<ull>(alignment));
    if (value != *end)
        return cursor.bad(field, offset, "data offset %llu is out of sequence, must be %llu", static_cast<ull>(value),
                          static_cast<ull>(*end));
    if (!pad(tensor.size, alignment, &padded) || padded > static_cast<uint64_t>(INT64_MAX) - *end)
        return cursor.bad(field, offset, "the sum of the tensors' sizes overflows");
    *end += padded;
    return {};
}

Status parse_tensor(Cursor & cursor, Contents * contents, uint64_t * end) {
    const uint64_t start = cursor.offset();
    std::string_view name;
    QL_TRY(parse_name(cursor, "tensor name", kMaxTensorNameBytes, &name));
    if (!contents->tensor_index.emplace(name, contents->tensors.size()).second)
        return cursor.bad("tensor name", start, "'%s' is there twice", excerpt(name).c_str());
    const std::string field = "tensor '" + std::string(name) + "'";
    Tensor tensor{std::string(name)};
    int64_t elements = 0;
    QL_TRY(parse_dims(cursor, field.c_str(), &tensor, &elements));
    QL_TRY(parse_dtype(cursor, field.c_str(), &tensor, elements));
    QL_TRY(parse_offset(cursor, field.c_str(), contents->alignment, tensor, end));
    contents->tensors.push_back(std::move(tensor));
    return {};
}

/// Points each tensor at its data: the sum of sizes was checked not to overflow, now it is checked against the file.
Status place_tensors(const Cursor & cursor, const uint8_t * bytes, size_t size, Contents * contents) {
    uint64_t at;
    if (!pad(cursor.offset(), contents->alignment, &at))
        return cursor.bad("tensor data", cursor.offset(), "the padding before it wraps round");
    for (Tensor & tensor : contents->tensors) {
        const std::string field = "data of tensor '" + tensor.name + "'";
        uint64_t padded;
        (void)pad(tensor.size, contents->alignment, &padded);
        if (at > size || padded > size - at)
            return cursor.bad(field.c_str(), at, "the file is cut: %llu bytes (with padding) are needed, %llu are left",
                              static_cast<ull>(padded), static_cast<ull>(at > size ? 0 : size - at));
        if (is_planar(tensor.dtype) && at % kPlanarAlignment != 0)
            return cursor.bad(field.c_str(), at, "%s data must start at a multiple of %u", ql_dtype_name(tensor.dtype),
                              kPlanarAlignment);
        tensor.data = bytes + at;
        at += padded;
    }
    return {};
}

}  // namespace

Status parse_tensors(Cursor & cursor, int64_t count, const uint8_t * bytes, size_t size, Contents * contents) {
    uint64_t end = 0;
    for (int64_t i = 0; i < count; i++) QL_TRY(parse_tensor(cursor, contents, &end));
    return place_tensors(cursor, bytes, size, contents);
}

}  // namespace ql::gguf
