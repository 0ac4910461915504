// Which linears of a model an adapter is put on.
#pragma once
#include <string>
#include <vector>

#include "models/model/model.hpp"

namespace ql {

/// all | attn | mlp | a regular expression searched for in weight names ("blk.7.attn_q.weight"; anchor it with ^ and $
/// to match the whole). Embedding and head are never among them. Nothing selected is an error that lists the linears.
/// layers  as select_layers takes them: "" are all
Result<std::vector<std::string>> select_targets(const Model & model, const std::string & targets,
                                                const std::string & layers = "");

}  // namespace ql
