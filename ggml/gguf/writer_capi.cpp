// The C face of the writer.
#include "ggml/gguf/writer.hpp"

#include "common/guarded.hpp"
#include "common/structs.hpp"

using ql::error;
using ql::guarded;
using ql::Status;

struct ql_gguf_writer {
    ql::gguf::Writer writer;
};

namespace {

/// The body of a call with a writer and a key or tensor name.
template <typename Body>
ql_status with(ql_gguf_writer * writer, const char * name, Body && body) {
    return guarded([&]() -> Status {
        if (!writer) return error(QL_INVALID_ARGUMENT, "gguf: the writer is NULL");
        if (!name) return error(QL_INVALID_ARGUMENT, "gguf: the name is NULL");
        return body(writer->writer);
    });
}

/// One that the enum can hold, and without a meaning where the number has none.
ql_gguf_type type_of_caller(const ql_gguf_type & type) {
    return ql::enum_or(type, static_cast<ql_gguf_type>(15));
}

}  // namespace

ql_status ql_gguf_writer_create(ql_gguf_writer ** writer) {
    return guarded([&]() -> Status {
        if (!writer) return error(QL_INVALID_ARGUMENT, "ql_gguf_writer_create: writer is NULL");
        *writer = std::make_unique<ql_gguf_writer>().release();
        return {};
    });
}

void ql_gguf_writer_free(ql_gguf_writer * writer) {
    std::unique_ptr<ql_gguf_writer> owner(writer);
}

ql_status ql_gguf_set_int(ql_gguf_writer * writer, const char * key, ql_gguf_type type, int64_t value) {
    return with(writer, key, [&](auto & w) { return w.set_int(key, type_of_caller(type), value); });
}

ql_status ql_gguf_set_f32(ql_gguf_writer * writer, const char * key, float value) {
    return with(writer, key, [&](auto & w) { return w.set_f32(key, value); });
}

ql_status ql_gguf_set_f64(ql_gguf_writer * writer, const char * key, double value) {
    return with(writer, key, [&](auto & w) { return w.set_f64(key, value); });
}

ql_status ql_gguf_set_bool(ql_gguf_writer * writer, const char * key, int value) {
    return with(writer, key, [&](auto & w) { return w.set_bool(key, value != 0); });
}

ql_status ql_gguf_set_string(ql_gguf_writer * writer, const char * key, const char * data, size_t size) {
    return with(writer, key, [&](auto & w) -> Status {
        if (!data && size > 0) return error(QL_INVALID_ARGUMENT, "gguf key '%s': the string is NULL", key);
        return w.set_string(key, {data, size});
    });
}

ql_status ql_gguf_set_array(ql_gguf_writer * writer, const char * key, ql_gguf_type type, const void * data,
                            int64_t n) {
    return with(writer, key, [&](auto & w) { return w.set_array(key, type_of_caller(type), data, n); });
}

ql_status ql_gguf_set_strings(ql_gguf_writer * writer, const char * key, const ql_gguf_string * data, int64_t n) {
    return with(writer, key, [&](auto & w) { return w.set_strings(key, data, n); });
}

ql_status ql_gguf_unset(ql_gguf_writer * writer, const char * key) {
    return with(writer, key, [&](auto & w) -> Status {
        w.unset(key);
        return {};
    });
}

ql_status ql_gguf_copy_keys(ql_gguf_writer * writer, const ql_gguf * file) {
    return with(writer, "", [&](auto & w) -> Status {
        if (!file) return error(QL_INVALID_ARGUMENT, "ql_gguf_copy_keys: file is NULL");
        return w.copy_keys(file->file.contents);
    });
}

ql_status ql_gguf_add_tensor(ql_gguf_writer * writer, const char * name, ql_dtype dtype, int n_dims, const int64_t * ne,
                             const void * data) {
    return with(writer, name, [&](auto & w) -> Status {
        if (!ne || !data) return error(QL_INVALID_ARGUMENT, "tensor '%s': ne or data is NULL", name);
        return w.add_tensor(name, ql::dtype_of_caller(dtype), n_dims, ne, data, nullptr, nullptr);
    });
}

ql_status ql_gguf_add_produced(ql_gguf_writer * writer, const char * name, ql_dtype dtype, int n_dims,
                               const int64_t * ne, ql_gguf_produce produce, void * user) {
    return with(writer, name, [&](auto & w) -> Status {
        if (!ne || !produce) return error(QL_INVALID_ARGUMENT, "tensor '%s': ne or produce is NULL", name);
        return w.add_tensor(name, ql::dtype_of_caller(dtype), n_dims, ne, nullptr, produce, user);
    });
}

uint64_t ql_gguf_writer_size(const ql_gguf_writer * writer) {
    uint64_t size = 0;
    if (!writer) return size;
    (void)guarded([&]() -> Status {
        size = writer->writer.size();
        return {};
    });
    return size;
}

ql_status ql_gguf_write(ql_gguf_writer * writer, const char * path) {
    return with(writer, path, [&](auto & w) { return w.write(path); });
}
