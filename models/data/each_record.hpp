// The records of a data file, whatever it is written in: JSON lines, JSON, a table.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "ql/status.hpp"

namespace ql {

/// Told a record's object and the line on which it begins; of a row that is none, what is wrong with it.
using OnRecord = std::function<Status(std::string_view json, int64_t line, const std::string & fault)>;

/// Until on_record gives an error, which is passed on as it is.
/// text    of the file (read_data_file), which is no plain text
/// errors  "FILE:LINE: what", those of split_records and Table
Status for_each_record(const std::string & text, const std::string & path, const OnRecord & on_record);

/// "FILE:LINE: what".
Status at_line(const Status & status, const std::string & path, int64_t line);

}  // namespace ql
