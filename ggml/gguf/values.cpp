// Typed access to a key's value: the type asked for must be the type in the file. Values lie unaligned.
#include "ggml/gguf/cursor.hpp"
#include "ggml/gguf/reader.hpp"

namespace ql::gguf {
namespace {

template <typename T>
T load(const char * at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

Status wrong_type(const Key & key, const std::string & file, const char * wanted) {
    return error(QL_BAD_FILE, "%s: key '%s' is %s%s, %s is needed", file.c_str(), excerpt(key.name).c_str(),
                 key.type == QL_GGUF_ARRAY ? "an array of " : "of type ",
                 type_name(key.type == QL_GGUF_ARRAY ? key.array.type : key.type), wanted);
}

std::string_view string_at(const char * at) {
    return {at + sizeof(uint64_t), static_cast<size_t>(load<uint64_t>(at))};
}

}  // namespace

Result<int64_t> get_int(const Key & key, const std::string & file) {
    const char * const at = key.raw.data();
    switch (key.type) {
        case QL_GGUF_U8:
            return load<uint8_t>(at);
        case QL_GGUF_I8:
            return load<int8_t>(at);
        case QL_GGUF_U16:
            return load<uint16_t>(at);
        case QL_GGUF_I16:
            return load<int16_t>(at);
        case QL_GGUF_U32:
            return load<uint32_t>(at);
        case QL_GGUF_I32:
            return load<int32_t>(at);
        case QL_GGUF_I64:
            return load<int64_t>(at);
        case QL_GGUF_U64:
            break;
        default:
            return wrong_type(key, file, "an integer");
    }
    const auto value = load<uint64_t>(at);
    if (value <= static_cast<uint64_t>(INT64_MAX)) return static_cast<int64_t>(value);
    return error(QL_BAD_FILE, "%s: key '%s' is %llu, which is too large", file.c_str(), excerpt(key.name).c_str(),
                 static_cast<unsigned long long>(value));
}

Result<double> get_float(const Key & key, const std::string & file) {
    if (key.type == QL_GGUF_F32) return static_cast<double>(load<float>(key.raw.data()));
    if (key.type == QL_GGUF_F64) return load<double>(key.raw.data());
    return wrong_type(key, file, "a floating-point number");
}

Result<bool> get_bool(const Key & key, const std::string & file) {
    if (key.type == QL_GGUF_BOOL) return key.raw[0] != 0;
    return wrong_type(key, file, "a bool");
}

Result<std::string_view> get_string(const Key & key, const std::string & file) {
    if (key.type == QL_GGUF_STRING) return string_at(key.raw.data());
    return wrong_type(key, file, "a string");
}

Result<ql_gguf_array> get_array(const Key & key, const std::string & file) {
    if (key.type == QL_GGUF_ARRAY) return key.array;
    return wrong_type(key, file, "an array");
}

std::string_view array_string(const Key & key, int64_t i) {
    return string_at(key.raw.data() + key.strings[static_cast<size_t>(i)]);
}

}  // namespace ql::gguf
