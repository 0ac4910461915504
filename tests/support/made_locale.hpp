// Locales of the host, made by the test, since a machine need not have any installed. A program that calls setlocale()
// writes and reads its numbers by them, and so does every printf and strtod of a library inside that program.
#pragma once
#include <clocale>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "support/temporary_folder.hpp"

namespace ql::test {

/// How a country writes numbers.
struct NumberStyle {
    const char * name;
    const char * decimal_point;        // in UTF-8
    char32_t decimal_point_character;  // the same
};
inline constexpr NumberStyle kNumberStyles[] = {
    {"comma", ",", U','},                // de_DE: 0,5
    {"arabic", "\xD9\xAB", U'\u066B'}};  // ps_AF, fa_IR: a point of two bytes

/// Sets this process's locale for numbers for as long as the object lives.
class MadeLocale {
  public:
    explicit MadeLocale(const NumberStyle & style) {
        std::filesystem::create_directory(folder_.path(style.name));
        folder_.write(std::string(style.name) + "/LC_NUMERIC", file(style));
        ::setenv("LOCPATH", folder_.path("").c_str(), 1);
        if (!std::setlocale(LC_NUMERIC, style.name))
            throw std::runtime_error("the C library refuses the test's locale");
    }
    ~MadeLocale() {
        std::setlocale(LC_NUMERIC, "C");
        ::unsetenv("LOCPATH");
    }
    MadeLocale(const MadeLocale &) = delete;
    MadeLocale & operator=(const MadeLocale &) = delete;

  private:
    /// glibc's form of LC_NUMERIC: a magic number, the count of the fields, where each begins, the fields. A text ends
    /// with a NUL; a character takes four bytes and begins at a multiple of four.
    static std::string file(const NumberStyle & style) {
        const auto number = [](uint32_t n) {
            std::string bytes(sizeof n, '\0');
            std::memcpy(bytes.data(), &n, sizeof n);
            return bytes;
        };
        const auto text = [](const std::string & t) { return t + '\0'; };
        const std::string fields[] = {text(style.decimal_point),
                                      text("."),
                                      text("\3"),
                                      number(style.decimal_point_character),
                                      number('.'),
                                      text("UTF-8")};
        std::string head = number(0x20031115 ^ LC_NUMERIC) + number(std::size(fields)), body;
        const size_t head_bytes = head.size() + std::size(fields) * sizeof(uint32_t);
        for (const std::string & field : fields) {
            body.resize((body.size() + 3) / 4 * 4);
            head += number(static_cast<uint32_t>(head_bytes + body.size()));
            body += field;
        }
        return head + body;
    }
    TemporaryFolder folder_;
};

}  // namespace ql::test
