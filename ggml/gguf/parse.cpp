// Reads the header of a GGUF file, then what follows it.
#include "ggml/gguf/parse.hpp"

#include <algorithm>

namespace ql::gguf {
namespace {

// The fewest bytes that an entry takes: a count beyond the rest of the file divided by this is a lie.
constexpr uint64_t kMinKeyBytes = 8 + 1 + 4 + 1;             // name of one byte, type, a value of one byte
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;  // name of one byte, n_dims, one dim, type, offset

Status check_version(const Cursor & cursor, uint32_t version) {
    if (version == 2 || version == 3) return {};
    if (version != 0 && (version & 0xFFFF) == 0)
        return cursor.bad("version", 4, "0x%08x: a big-endian file; only little-endian files can be read", version);
    if (version == 0) return cursor.bad("version", 4, "0 is no version");
    return error(QL_UNSUPPORTED, "%s: version (offset 4): GGUF version %u cannot be read, only 2 and 3; %s",
                 cursor.file().c_str(), version,
                 version == 1 ? "convert the model again" : "a newer program is needed");
}

Status parse_count(Cursor & cursor, const char * field, uint64_t min_bytes, int64_t * count) {
    const uint64_t offset = cursor.offset();
    QL_TRY(cursor.number(field, count));
    if (*count < 0) return cursor.bad(field, offset, "%lld is negative", static_cast<long long>(*count));
    if (static_cast<uint64_t>(*count) > cursor.rest() / min_bytes)
        return cursor.bad(field, offset, "%lld do not fit into the %llu bytes that follow",
                          static_cast<long long>(*count), static_cast<unsigned long long>(cursor.rest()));
    return {};
}

}  // namespace

Status parse_name(Cursor & cursor, const char * field, uint64_t max_bytes, std::string_view * name) {
    const uint64_t offset = cursor.offset();
    QL_TRY(cursor.string(field, name));
    if (name->empty()) return cursor.bad(field, offset, "is empty");
    if (name->size() > max_bytes)
        return cursor.bad(field, offset, "'%s' has %zu bytes, at most %llu are allowed", excerpt(*name).c_str(),
                          name->size(), static_cast<unsigned long long>(max_bytes));
    if (name->find('\0') != std::string_view::npos) return cursor.bad(field, offset, "contains a NUL byte");
    return {};
}

Result<Contents> parse(const uint8_t * data, size_t size, const std::string & file) {
    Cursor cursor(data, size, file);
    if (size == 0) return error(QL_BAD_FILE, "%s: is empty, not a GGUF file", file.c_str());
    const size_t n = std::min(size, sizeof kMagic);
    if (std::memcmp(data, kMagic, n) != 0) return cursor.bad("magic", 0, "not a GGUF file: it must start with 'GGUF'");
    QL_TRY(cursor.skip("magic", sizeof kMagic));

    Contents contents;
    int64_t n_tensors, n_keys;
    QL_TRY(cursor.number("version", &contents.version));
    QL_TRY(check_version(cursor, contents.version));
    QL_TRY(parse_count(cursor, "tensor count", kMinTensorBytes, &n_tensors));
    QL_TRY(parse_count(cursor, "key count", kMinKeyBytes, &n_keys));
    QL_TRY(parse_keys(cursor, n_keys, &contents));
    QL_TRY(parse_tensors(cursor, n_tensors, data, size, &contents));
    return contents;
}

const Key * Contents::find_key(std::string_view name) const {
    const auto it = key_index.find(name);
    return it == key_index.end() ? nullptr : &keys[it->second];
}

const Tensor * Contents::find_tensor(std::string_view name) const {
    const auto it = tensor_index.find(name);
    return it == tensor_index.end() ? nullptr : &tensors[it->second];
}

}  // namespace ql::gguf
