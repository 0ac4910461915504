// The bytes of a data file, and where its records (one sample each) begin.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ql/status.hpp"

namespace ql {

/// The whole file, unpacked if it is gzip (gunzip.hpp), without a byte order mark.
/// errors  QL_NOT_FOUND, QL_IO, those of gunzip; QL_NO_MEMORY, more than 4 GiB
Result<std::string> read_data_file(const std::string & path);

/// True for names that end in .txt or .txt.gz: plain text, no records.
bool is_plain_text(const std::string & path);

struct Record {
    int64_t line;  // where it begins, 1 is the first
    std::string_view json;
};

/// The elements of a JSON array, or objects in a row, one a line (JSON lines) or over several lines; the first byte
/// tells which. Only their borders are looked for here: what lies between them need not be JSON. errors  QL_BAD_FILE
/// with the line (no path): an empty file, neither of the two, an array that does not end;
///         QL_UNSUPPORTED: more than max_records
Result<std::vector<Record>> split_records(std::string_view text, size_t max_records = 10'000'000);

}  // namespace ql
