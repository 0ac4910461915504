// Where the records (one sample each) of a file of JSON lines, or of a JSON array, begin and end.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ql/status.hpp"

namespace ql {

struct Record {
    int64_t line;  // where it begins, 1 is the first
    std::string_view json;
};

inline constexpr char kNoComments[] = "JSON has no comments; remove this one";
/// Whether a line that is to be JSON begins as a comment of other languages does.
inline bool begins_comment(std::string_view text) {
    return text.starts_with("//") || text.starts_with("/*");
}

/// The elements of a JSON array, or objects in a row, one a line (JSON lines) or over several lines; the first byte
/// tells which. Only their borders are looked for here: what lies between them need not be JSON. The text is without a
/// byte order mark.
/// errors  QL_BAD_FILE with the line (no path): an empty file, neither of the two, an array that does not end;
///         QL_UNSUPPORTED: more than max_records
Result<std::vector<Record>> split_records(std::string_view text, size_t max_records = 10'000'000);

}  // namespace ql
