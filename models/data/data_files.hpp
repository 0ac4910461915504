// The files of a dataset, by the names that a user gives.
#pragma once
#include <string>
#include <vector>

#include "ql/status.hpp"

namespace ql {

/// What a name stands for: a file; the data files directly in a folder (.jsonl, .json, .csv, .tsv, .txt, or .gz of these), or all files
/// that match a pattern (*, ?, [...], as a shell knows them), in the order of their names. A file that is not there is one
/// still: reading it says so. errors  QL_NOT_FOUND: a folder without data files, a pattern that nothing matches;
///         QL_UNSUPPORTED: more than 10,000 files
Result<std::vector<std::string>> data_files(const std::string & name);

/// The data files of several names, in their order. Of n > 1 names a message says the first "and n - 1 more".
Result<std::vector<std::string>> data_files(const std::vector<std::string> & names);
std::string names_of_files(const std::vector<std::string> & files);

}  // namespace ql
