// Texts that cross the C border, where NULL stands for none.
#pragma once
#include <string>

namespace ql {

inline std::string text_or_empty(const char * text) {
    return text ? text : "";
}

}  // namespace ql
