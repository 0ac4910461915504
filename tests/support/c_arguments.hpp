// Tables of calls of the C API with arguments that are wrong, and the proof that no function was forgotten.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "ql/status.h"

namespace ql::test {

/// A number that the type has no name for, as a caller in C may pass it.
template <typename Enum>
Enum wrong(int32_t number) {
    Enum value;
    static_assert(sizeof(value) == sizeof(number));
    std::memcpy(static_cast<void *>(&value), &number, sizeof(value));
    return value;
}

struct BadCall {
    const char * function;
    const char * with;                // what is wrong
    std::function<ql_status()> call;  // has to fail, and say why
};

inline void expect_refused(const std::vector<BadCall> & calls) {
    for (const BadCall & c : calls) {
        (void)ql_set_error(QL_OK, "");
        EXPECT_NE(c.call(), QL_OK) << c.function << ": " << c.with;
        EXPECT_STRNE(ql_error_message(), "") << c.function << ": " << c.with;
    }
}

/// A function that cannot fail: called with NULL and the like it does nothing, and returns what its header says.
struct NullCall {
    const char * function;
    std::function<bool()> returns_nothing;
};

inline void expect_nothing(const std::vector<NullCall> & calls) {
    for (const NullCall & c : calls) EXPECT_TRUE(c.returns_nothing()) << c.function;
}

/// Every exported function is in one of the tables, or takes no argument that could be wrong.
inline void expect_all_tried(const std::string & exports, const std::vector<BadCall> & bad,
                             const std::vector<NullCall> & null, const std::vector<std::string> & others) {
    std::set<std::string> tried(others.begin(), others.end());
    for (const BadCall & c : bad) tried.insert(c.function);
    for (const NullCall & c : null) tried.insert(c.function);
    std::ifstream list(exports);
    ASSERT_TRUE(list) << exports;
    for (std::string name; std::getline(list, name);)
        EXPECT_TRUE(tried.count(name)) << name << " is never called wrongly";
}

}  // namespace ql::test
