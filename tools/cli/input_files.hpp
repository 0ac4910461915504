// Which files a program reads where it is given a folder, a pattern, or the first part of a model.
#pragma once
#include <string>

namespace ql::cli {

/// Whether two paths name the same file, whatever their spelling, links included, and whether or not it exists.
bool is_same_file(const std::string & a, const std::string & b);

/// Whether the file at `path` exists and is read as a piece of `input`: it stands in that folder, matches that pattern, or
/// is another part of that model.
bool is_piece_of_input(const std::string & path, const std::string & input);

}  // namespace ql::cli
