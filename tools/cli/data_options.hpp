// Opening datasets, and telling what was read: shared by the programs that take -d.
#pragma once
#include <string>
#include <vector>

#include "ql/models.hpp"
#include "tools/cli/program.hpp"

namespace ql::cli {

/// --columns. `of` says of what, such as "the data".
void add_columns(Program & program, std::string & columns, const std::string & of);
/// Throws Stop where --columns is given without paths, which option `needed` names, or for plain text alone, which has none.
void check_columns(const std::string & columns, const std::vector<std::string> & paths, const char * needed);
/// Files, folders and patterns as one dataset.
DatasetPtr open_data(const std::vector<std::string> & paths, const ModelPtr & model,
                     const ql_dataset_options & options);
/// The paths as they were given, and how many files that is where it is another number.
std::string name_files(const std::vector<std::string> & paths, const ql_dataset_info & info);
/// How many lines were skipped, and why the first of them were.
void note_bad_lines(const Program & program, const DatasetPtr & data, const ql_dataset_info & info);

}  // namespace ql::cli
