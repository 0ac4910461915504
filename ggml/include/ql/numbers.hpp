/* ql/numbers.hpp - numbers as text that a machine reads again: the same under every locale of the host, which may write
 * a decimal comma where printf and strtod are used. Header only, C++20, for libraries and programs over this one. */
#ifndef QL_NUMBERS_HPP
#define QL_NUMBERS_HPP

#include <charconv>
#include <string>

namespace ql {

/// The shortest text that reads back as the same number: "0.001", "1e-08", "inf".
inline std::string number_text(double value) {
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace ql

#endif
