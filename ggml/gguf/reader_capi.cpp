// The C face of the reader.
#include "common/guarded.hpp"
#include "ggml/gguf/cursor.hpp"
#include "ggml/gguf/reader.hpp"

using ql::error;
using ql::guarded;
using ql::Result;
using ql::Status;
using namespace ql::gguf;

namespace {

Status check(const void * file, const void * key, const void * result) {
    if (file && key && result) return {};
    return error(QL_INVALID_ARGUMENT, "gguf: the %s is NULL", !file ? "file" : !key ? "key" : "place for the result");
}

Result<const Key *> find_key(const ql_gguf * file, const char * name) {
    if (const Key * key = file->file.contents.find_key(name)) return key;
    return error(QL_NOT_FOUND, "%s: no key '%s'", file->file.path.c_str(), excerpt(name).c_str());
}

/// The body of every getter: find the key, read it with `get`, hand the value to `store`.
template <typename T, typename Store>
ql_status get_value(const ql_gguf * file, const char * key, const void * result,
                    Result<T> (*get)(const Key &, const std::string &), Store && store) {
    return guarded([&]() -> Status {
        QL_TRY(check(file, key, result));
        QL_ASSIGN(const Key * found, find_key(file, key));
        QL_ASSIGN(T value, get(*found, file->file.path));
        store(value);
        return {};
    });
}

ql_gguf_string c_string(std::string_view text) {
    return {text.data(), text.size()};
}

ql_gguf_tensor c_tensor(const Tensor & tensor) {
    return {tensor.name.c_str(), tensor.dtype, tensor.n_dims, {tensor.ne[0], tensor.ne[1], tensor.ne[2], tensor.ne[3]},
            tensor.data,         tensor.size};
}

}  // namespace

ql_status ql_gguf_open(const char * path, ql_gguf ** file) {
    return guarded([&]() -> Status {
        if (!path || !file) return error(QL_INVALID_ARGUMENT, "ql_gguf_open: path or file is NULL");
        *file = nullptr;
        QL_ASSIGN(File opened, open_file(path));
        *file = std::make_unique<ql_gguf>(ql_gguf{std::move(opened)}).release();
        return {};
    });
}

void ql_gguf_forget(const ql_gguf * file, const void * data, size_t bytes) {
    if (!file) return ql::os::forget_mapped(data, bytes);
    for (const ql::os::MappedFile & part : file->file.parts) part.forget(data, bytes);
}

void ql_gguf_close(ql_gguf * file) {
    std::unique_ptr<ql_gguf> owner(file);
}

int64_t ql_gguf_n_keys(const ql_gguf * file) {
    return file ? static_cast<int64_t>(file->file.contents.keys.size()) : 0;
}

const char * ql_gguf_key(const ql_gguf * file, int64_t i) {
    if (i < 0 || i >= ql_gguf_n_keys(file)) return nullptr;
    return file->file.contents.keys[static_cast<size_t>(i)].name.c_str();
}

int ql_gguf_has_key(const ql_gguf * file, const char * key) {
    return file && key && file->file.contents.find_key(key) ? 1 : 0;
}

ql_status ql_gguf_key_type(const ql_gguf * file, const char * key, ql_gguf_type * type) {
    return guarded([&]() -> Status {
        QL_TRY(check(file, key, type));
        QL_ASSIGN(const Key * found, find_key(file, key));
        *type = found->type;
        return {};
    });
}

ql_status ql_gguf_get_int(const ql_gguf * file, const char * key, int64_t * value) {
    return get_value(file, key, value, get_int, [&](int64_t v) { *value = v; });
}

ql_status ql_gguf_get_float(const ql_gguf * file, const char * key, double * value) {
    return get_value(file, key, value, get_float, [&](double v) { *value = v; });
}

ql_status ql_gguf_get_bool(const ql_gguf * file, const char * key, int * value) {
    return get_value(file, key, value, get_bool, [&](bool v) { *value = v; });
}

ql_status ql_gguf_get_string(const ql_gguf * file, const char * key, ql_gguf_string * value) {
    return get_value(file, key, value, get_string, [&](std::string_view v) { *value = c_string(v); });
}

ql_status ql_gguf_get_array(const ql_gguf * file, const char * key, ql_gguf_array * value) {
    return get_value(file, key, value, get_array, [&](const ql_gguf_array & v) { *value = v; });
}

ql_status ql_gguf_array_string(const ql_gguf * file, const char * key, int64_t i, ql_gguf_string * value) {
    return guarded([&]() -> Status {
        QL_TRY(check(file, key, value));
        QL_ASSIGN(const Key * found, find_key(file, key));
        const std::string & path = file->file.path;
        QL_ASSIGN(const ql_gguf_array array, get_array(*found, path));
        if (array.type != QL_GGUF_STRING)
            return error(QL_BAD_FILE, "%s: key '%s' is an array of %s, of strings is needed", path.c_str(), key,
                         type_name(array.type));
        if (i < 0 || i >= array.n)
            return error(QL_INVALID_ARGUMENT, "%s: key '%s' has %lld strings, number %lld was asked for", path.c_str(),
                         key, static_cast<long long>(array.n), static_cast<long long>(i));
        *value = c_string(array_string(*found, i));
        return {};
    });
}

int64_t ql_gguf_n_tensors(const ql_gguf * file) {
    return file ? static_cast<int64_t>(file->file.contents.tensors.size()) : 0;
}

ql_status ql_gguf_tensor_at(const ql_gguf * file, int64_t i, ql_gguf_tensor * tensor) {
    return guarded([&]() -> Status {
        QL_TRY(check(file, "", tensor));
        if (i < 0 || i >= ql_gguf_n_tensors(file))
            return error(QL_INVALID_ARGUMENT, "%s: has %lld tensors, number %lld was asked for",
                         file->file.path.c_str(), static_cast<long long>(ql_gguf_n_tensors(file)),
                         static_cast<long long>(i));
        *tensor = c_tensor(file->file.contents.tensors[static_cast<size_t>(i)]);
        return {};
    });
}

ql_status ql_gguf_find_tensor(const ql_gguf * file, const char * name, ql_gguf_tensor * tensor) {
    return guarded([&]() -> Status {
        QL_TRY(check(file, name, tensor));
        const Tensor * found = file->file.contents.find_tensor(name);
        if (!found) return error(QL_NOT_FOUND, "%s: no tensor '%s'", file->file.path.c_str(), excerpt(name).c_str());
        *tensor = c_tensor(*found);
        return {};
    });
}
