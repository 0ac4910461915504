/* ql/numbers.hpp - numbers as text for machines to read: the same under every locale of the host, where printf and
 * strtod may use a decimal comma. Header only, C++20, for libraries and programs over this one. */
#ifndef QL_NUMBERS_HPP
#define QL_NUMBERS_HPP

#include <locale.h>

#include <charconv>
#include <string>

namespace ql {

/// The shortest text that reads back as the same number: "0.001", "1e-08", "inf".
inline std::string number_text(double value) {
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

/// While an object lives, its thread's printf, strtod and localeconv use the decimal point. The host's locale
/// and its other threads stay as they are.
class DecimalPoint {
  public:
    DecimalPoint() : before_(::uselocale(c_locale())) {}
    ~DecimalPoint() { ::uselocale(before_); }
    DecimalPoint(const DecimalPoint &) = delete;
    DecimalPoint & operator=(const DecimalPoint &) = delete;

  private:
    /// Made once, never freed; if making it fails, uselocale(0) changes nothing.
    static locale_t c_locale() {
        static const locale_t c = ::newlocale(LC_ALL_MASK, "C", locale_t{});
        return c;
    }
    locale_t before_;
};

}  // namespace ql

#endif
