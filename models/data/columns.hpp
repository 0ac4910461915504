// Columns of data that have other names than the forms (forms.hpp) know: "question=ask,answer=reply". "_=number" leaves one
// out.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/json/parse_json.hpp"
#include "ql/status.hpp"

namespace ql {

/// The field that a form reads, or "_" for none, and the name that it has in the data.
using Columns = std::vector<std::pair<std::string, std::string>>;

/// errors  QL_INVALID_ARGUMENT: no such list; a field that no form has; one, or a name, that is given twice
Result<Columns> parse_columns(std::string_view text);

/// Gives the columns of a sample the names of their fields, and takes those of no field away. What else a field's name stood
/// for is in the way.
/// errors  QL_BAD_FILE: a column that the sample does not have (names those it has)
Status rename_columns(const Columns & columns, Json & sample);

/// Gives keys that are a field but for capitals its name, "Question" as "question". Where two of a sample are the same
/// field, both stay as they are.
void fold_case(Json & sample);

}  // namespace ql
