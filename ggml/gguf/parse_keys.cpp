// Keys and their values. A value stays where it is in the file; only where the strings of an array start is noted,
// after each was checked, so that one of a hundred thousand tokens is found at once.
#include "ggml/gguf/parse.hpp"

namespace ql::gguf {
namespace {

Status check_bools(const Cursor & cursor, const char * field, uint64_t offset, std::string_view bytes) {
    for (size_t i = 0; i < bytes.size(); i++)
        if (static_cast<uint8_t>(bytes[i]) > 1)
            return cursor.bad(field, offset + i, "a bool of %u, must be 0 or 1", static_cast<uint8_t>(bytes[i]));
    return {};
}

Status parse_string_array(Cursor & cursor, const char * field, uint64_t n, uint64_t start, Key * key) {
    for (uint64_t i = 0; i < n; i++) {
        key->strings.push_back(cursor.offset() - start);
        std::string_view text;
        QL_TRY(cursor.string(field, &text));
    }
    return {};
}

Status parse_array(Cursor & cursor, const char * field, Key * key) {
    const uint64_t start = cursor.offset();
    int32_t type;
    uint64_t n;
    QL_TRY(cursor.number(field, &type));
    const size_t bytes = type == QL_GGUF_STRING ? sizeof(uint64_t) : value_bytes(type);  // at least
    if (type == QL_GGUF_ARRAY) return cursor.bad(field, start, "an array of arrays is not allowed");
    if (bytes == 0) return cursor.bad(field, start, "an array of unknown element type %d", type);
    QL_TRY(cursor.number(field, &n));
    if (n > cursor.rest() / bytes)
        return cursor.bad(field, start, "an array of %llu %ss, but the file has only %llu more bytes",
                          static_cast<unsigned long long>(n), type_name(type),
                          static_cast<unsigned long long>(cursor.rest()));
    key->array = {static_cast<ql_gguf_type>(type), static_cast<int64_t>(n), nullptr};
    if (type == QL_GGUF_STRING) return parse_string_array(cursor, field, n, start, key);
    key->array.data = cursor.here();
    const std::string_view values(reinterpret_cast<const char *>(cursor.here()), n * bytes);
    if (type == QL_GGUF_BOOL) QL_TRY(check_bools(cursor, field, cursor.offset(), values));
    return cursor.skip(field, n * bytes);
}

Status parse_value(Cursor & cursor, Key * key) {
    const std::string field = "key '" + excerpt(key->name) + "'";
    const uint64_t type_offset = cursor.offset();
    int32_t type;
    QL_TRY(cursor.number(field.c_str(), &type));
    const bool sized = value_bytes(type) > 0;
    if (!sized && type != QL_GGUF_STRING && type != QL_GGUF_ARRAY)
        return cursor.bad(field.c_str(), type_offset, "unknown value type %d", type);
    key->type = static_cast<ql_gguf_type>(type);

    const uint64_t start = cursor.offset();
    const char * const begin = reinterpret_cast<const char *>(cursor.here());
    std::string_view text;
    if (type == QL_GGUF_STRING)
        QL_TRY(cursor.string(field.c_str(), &text));
    else if (type == QL_GGUF_ARRAY)
        QL_TRY(parse_array(cursor, field.c_str(), key));
    else
        QL_TRY(cursor.skip(field.c_str(), value_bytes(type)));
    key->raw = {begin, static_cast<size_t>(cursor.offset() - start)};
    return type == QL_GGUF_BOOL ? check_bools(cursor, field.c_str(), start, key->raw) : Status();
}

/// The format asks for a multiple of 8; less would hand out misaligned pointers to f32.
Status parse_alignment(const Cursor & cursor, const Key & key, uint64_t offset, uint32_t * alignment) {
    if (key.type != QL_GGUF_U32)
        return cursor.bad("general.alignment", offset, "is a %s, must be a u32", type_name(key.type));
    std::memcpy(alignment, key.raw.data(), sizeof *alignment);
    if (!std::has_single_bit(*alignment) || *alignment < 8)
        return cursor.bad("general.alignment", offset, "is %u, must be a power of two from 8", *alignment);
    return {};
}

}  // namespace

Status parse_keys(Cursor & cursor, int64_t count, Contents * contents) {
    for (int64_t i = 0; i < count; i++) {
        const uint64_t offset = cursor.offset();
        std::string_view name;
        QL_TRY(parse_name(cursor, "key", kMaxKeyBytes, &name));
        if (!contents->key_index.emplace(name, contents->keys.size()).second)
            return cursor.bad("key", offset, "'%s' is there twice", excerpt(name).c_str());
        Key key{std::string(name)};
        QL_TRY(parse_value(cursor, &key));
        if (name == kAlignmentKey) QL_TRY(parse_alignment(cursor, key, offset, &contents->alignment));
        contents->keys.push_back(std::move(key));
    }
    return {};
}

}  // namespace ql::gguf
