// The bytes of a data file.
#pragma once
#include <string>

#include "ql/status.hpp"

namespace ql {

/// The whole file, unpacked if it is gzip (gunzip.hpp), without a byte order mark.
/// errors  QL_NOT_FOUND, QL_IO, those of gunzip; QL_NO_MEMORY, more than 4 GiB
Result<std::string> read_data_file(const std::string & path);

/// True for names that end in .txt or .txt.gz: plain text, no records.
bool is_plain_text(const std::string & path);

}  // namespace ql
