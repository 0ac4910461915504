// A checked walk through a file's bytes. Nothing is read past the end, and every error says which field, where in the
// file, and what was found. Numbers are little-endian, as is every machine this runs on.
#pragma once
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "ql/status.hpp"

namespace ql::gguf {

static_assert(std::endian::native == std::endian::little);

/// At most 80 bytes of a string from a file, for messages.
inline std::string excerpt(std::string_view text) {
    return text.size() <= 80 ? std::string(text) : std::string(text.substr(0, 80)) + "...";
}

class Cursor {
  public:
    Cursor(const uint8_t * data, size_t size, const std::string & file) : data_(data), size_(size), file_(file) {}

    uint64_t offset() const { return at_; }
    uint64_t rest() const { return size_ - at_; }
    const uint8_t * here() const { return data_ + at_; }
    const std::string & file() const { return file_; }

    /// "FILE: FIELD (offset N): WHAT".
    [[gnu::format(printf, 4, 5)]] Status bad(const char * field, uint64_t offset, const char * fmt, ...) const {
        char what[512];
        va_list args;
        va_start(args, fmt);
        std::vsnprintf(what, sizeof what, fmt, args);
        va_end(args);
        return error(QL_BAD_FILE, "%s: %s (offset %llu): %s", file_.c_str(), field,
                     static_cast<unsigned long long>(offset), what);
    }

    template <typename T>
    Status number(const char * field, T * value) {
        static_assert(std::is_arithmetic_v<T>);
        *value = 0;  // for compilers that do not see that no caller reads it after an error
        if (rest() < sizeof(T)) return cut(field, sizeof(T));
        std::memcpy(value, data_ + at_, sizeof(T));
        at_ += sizeof(T);
        return {};
    }

    Status string(const char * field, std::string_view * value) {
        const uint64_t start = at_;
        uint64_t length;
        QL_TRY(number(field, &length));
        if (length > rest())
            return bad(field, start, "a string of %llu bytes, but the file has only %llu more",
                       static_cast<unsigned long long>(length), static_cast<unsigned long long>(rest()));
        *value = {reinterpret_cast<const char *>(data_ + at_), static_cast<size_t>(length)};
        at_ += length;
        return {};
    }

    Status skip(const char * field, uint64_t bytes) {
        if (bytes > rest()) return cut(field, bytes);
        at_ += bytes;
        return {};
    }

  private:
    Status cut(const char * field, uint64_t bytes) const {
        return bad(field, at_, "the file ends: %llu bytes are needed, %llu are left",
                   static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(rest()));
    }

    const uint8_t * data_;
    uint64_t size_, at_ = 0;
    const std::string & file_;
};

}  // namespace ql::gguf
