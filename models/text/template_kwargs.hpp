// Values that a chat template may ask for by name, such as {"enable_thinking": false}.
#pragma once
#include <string>

#include "models/text/jinja/ast.hpp"
#include "models/text/jinja/value.hpp"

namespace ql {

/// A JSON object of values in one form: keys in their order, no blanks; "" for "" and for an object without keys.
/// errors  QL_INVALID_ARGUMENT: no JSON object, or one of more than 16 KiB; a name that renderers give a value of their own
Result<std::string> read_template_kwargs(const std::string & text);

/// Sets variables of these names.
/// errors  as read_template_kwargs; QL_INVALID_ARGUMENT: a name that the template never reads
Status set_template_kwargs(const std::string & kwargs, const jinja::Block & block, jinja::Dict & variables);

}  // namespace ql
