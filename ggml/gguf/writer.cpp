// Collecting keys and tensors.
#include "ggml/gguf/writer.hpp"

#include <algorithm>
#include <limits>

#include "ggml/gguf/cursor.hpp"
#include "ggml/gguf/encode.hpp"

namespace ql::gguf {
namespace {

/// The value as a little-endian T, false if it does not fit.
template <typename T>
bool put_int(std::string * bytes, int64_t value) {
    if constexpr (std::is_unsigned_v<T>) {
        if (value < 0 || static_cast<uint64_t>(value) > std::numeric_limits<T>::max()) return false;
    } else if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
        return false;
    }
    put(bytes, static_cast<T>(value));
    return true;
}

bool put_int(std::string * bytes, int64_t type, int64_t value) {
    switch (type) {
        case QL_GGUF_U8:
            return put_int<uint8_t>(bytes, value);
        case QL_GGUF_I8:
            return put_int<int8_t>(bytes, value);
        case QL_GGUF_U16:
            return put_int<uint16_t>(bytes, value);
        case QL_GGUF_I16:
            return put_int<int16_t>(bytes, value);
        case QL_GGUF_U32:
            return put_int<uint32_t>(bytes, value);
        case QL_GGUF_I32:
            return put_int<int32_t>(bytes, value);
        case QL_GGUF_U64:
            return put_int<uint64_t>(bytes, value);
        default:
            return put_int<int64_t>(bytes, value);
    }
}

bool is_int(int64_t type) {
    return value_bytes(type) > 0 && type != QL_GGUF_F32 && type != QL_GGUF_F64 && type != QL_GGUF_BOOL;
}

Status check_count(std::string_view key, const void * data, int64_t n) {
    if (n >= 0 && (data || n == 0)) return {};
    return error(QL_INVALID_ARGUMENT, "gguf key '%s': an array of %lld elements%s", excerpt(key).c_str(),
                 static_cast<long long>(n), data ? "" : " at NULL");
}

Status check_name(const char * what, std::string_view name, uint64_t max_bytes) {
    if (name.empty()) return error(QL_INVALID_ARGUMENT, "gguf: a %s is empty", what);
    if (name.size() <= max_bytes) return {};
    return error(QL_INVALID_ARGUMENT, "gguf: the %s '%s' has %zu bytes, at most %llu are allowed", what,
                 excerpt(name).c_str(), name.size(), static_cast<unsigned long long>(max_bytes));
}

/// The number of elements, or why there is no such shape.
Result<int64_t> count_elements(const std::string & name, ql_dtype dtype, int n_dims, const int64_t * ne) {
    if (n_dims < 1 || n_dims > kMaxDims)
        return error(QL_BAD_SHAPE, "tensor '%s': %d dimensions, must be 1 to %d", name.c_str(), n_dims, kMaxDims);
    uint64_t product = 1;
    for (int i = 0; i < n_dims; i++) {
        if (ne[i] <= 0 || static_cast<uint64_t>(ne[i]) > kMaxElements / product)
            return error(QL_BAD_SHAPE, "tensor '%s': dimension %d is %lld", name.c_str(), i,
                         static_cast<long long>(ne[i]));
        product *= static_cast<uint64_t>(ne[i]);
    }
    const int64_t block = ql_dtype_block_length(dtype);
    if (block <= 0) return error(QL_BAD_DTYPE, "tensor '%s': unknown type %d", name.c_str(), static_cast<int>(dtype));
    if (ne[0] % block != 0)
        return error(QL_BAD_SHAPE, "tensor '%s': rows of %lld elements are no multiple of the %lld of a block of %s",
                     name.c_str(), static_cast<long long>(ne[0]), static_cast<long long>(block), ql_dtype_name(dtype));
    return static_cast<int64_t>(product);
}

}  // namespace

Status Writer::set(std::string_view key, std::string bytes) {
    QL_TRY(check_name("key", key, kMaxKeyBytes));
    if (key == kAlignmentKey)
        return error(QL_INVALID_ARGUMENT, "gguf: %s is chosen by the writer and cannot be set", kAlignmentKey);
    const auto [at, is_new] = value_index_.emplace(key, values_.size());
    if (is_new)
        values_.push_back({std::string(key), std::move(bytes)});
    else
        values_[at->second].bytes = std::move(bytes);
    return {};
}

Status Writer::set_int(std::string_view key, int64_t type, int64_t value) {
    if (!is_int(type))
        return error(QL_INVALID_ARGUMENT, "gguf key '%s': %s is no integer type", excerpt(key).c_str(),
                     type_name(type));
    std::string bytes = encode_type(type);
    if (put_int(&bytes, type, value)) return set(key, std::move(bytes));
    return error(QL_INVALID_ARGUMENT, "gguf key '%s': %lld does not fit into a %s", excerpt(key).c_str(),
                 static_cast<long long>(value), type_name(type));
}

Status Writer::set_f32(std::string_view key, float value) {
    return set(key, encode_value(QL_GGUF_F32, value));
}
Status Writer::set_f64(std::string_view key, double value) {
    return set(key, encode_value(QL_GGUF_F64, value));
}
Status Writer::set_bool(std::string_view key, bool value) {
    return set(key, encode_value(QL_GGUF_BOOL, static_cast<uint8_t>(value)));
}

Status Writer::set_string(std::string_view key, std::string_view value) {
    std::string bytes = encode_type(QL_GGUF_STRING);
    put_string(&bytes, value);
    return set(key, std::move(bytes));
}

Status Writer::set_array(std::string_view key, int64_t type, const void * data, int64_t n) {
    const size_t size = value_bytes(type);
    if (size == 0)
        return error(QL_INVALID_ARGUMENT, "gguf key '%s': elements of an array cannot be of type %s here",
                     excerpt(key).c_str(), type_name(type));
    QL_TRY(check_count(key, data, n));
    if (static_cast<uint64_t>(n) > PTRDIFF_MAX / size)
        return error(QL_INVALID_ARGUMENT, "gguf key '%s': an array of %lld elements is larger than any memory",
                     excerpt(key).c_str(), static_cast<long long>(n));
    const auto * first = static_cast<const uint8_t *>(data);
    for (int64_t i = 0; type == QL_GGUF_BOOL && i < n; i++)
        if (first[i] > 1)
            return error(QL_INVALID_ARGUMENT, "gguf key '%s': bool %lld is %u, must be 0 or 1", excerpt(key).c_str(),
                         static_cast<long long>(i), first[i]);
    std::string bytes = encode_array(type, n);
    if (n > 0) bytes.append(reinterpret_cast<const char *>(first), static_cast<size_t>(n) * size);
    return set(key, std::move(bytes));
}

Status Writer::set_strings(std::string_view key, const ql_gguf_string * data, int64_t n) {
    QL_TRY(check_count(key, data, n));
    std::string bytes = encode_array(QL_GGUF_STRING, n);
    for (int64_t i = 0; i < n; i++) {
        if (!data[i].data && data[i].size > 0)
            return error(QL_INVALID_ARGUMENT, "gguf key '%s': string %lld is NULL", excerpt(key).c_str(),
                         static_cast<long long>(i));
        put_string(&bytes, {data[i].data, data[i].size});
    }
    return set(key, std::move(bytes));
}

void Writer::unset(std::string_view key) {
    const auto found = value_index_.find(std::string(key));
    if (found == value_index_.end()) return;
    const size_t at = found->second;
    values_.erase(values_.begin() + static_cast<std::ptrdiff_t>(at));
    value_index_.erase(found);
    for (auto & [name, place] : value_index_)
        if (place > at) --place;
}

Status Writer::copy_keys(const Contents & contents) {
    for (const Key & key : contents.keys) {
        if (key.name == kAlignmentKey || key.name.rfind("split.", 0) == 0) continue;
        QL_TRY(set(key.name, encode_type(key.type).append(key.raw)));
    }
    return {};
}

Status Writer::add_tensor(std::string_view name, ql_dtype dtype, int n_dims, const int64_t * ne, const void * data,
                          ql_gguf_produce produce, void * user) {
    QL_TRY(check_name("tensor name", name, kMaxTensorNameBytes));
    Source tensor{std::string(name), dtype, n_dims, {1, 1, 1, 1}, 0, data, produce, user};
    QL_ASSIGN(const int64_t elements, count_elements(tensor.name, dtype, n_dims, ne));
    std::copy_n(ne, n_dims, tensor.ne);
    tensor.size = ql_dtype_bytes(dtype, elements);
    if (tensor.size > kMaxElements || data_size_ > kMaxElements)
        return error(QL_BAD_SHAPE, "tensor '%s': the file would be too large", tensor.name.c_str());
    if (!tensor_names_.insert(tensor.name).second)
        return error(QL_INVALID_ARGUMENT, "tensor '%s' was added already", tensor.name.c_str());
    data_size_ += tensor.size + kPlanarAlignment;
    tensors_.push_back(std::move(tensor));
    return {};
}

}  // namespace ql::gguf
