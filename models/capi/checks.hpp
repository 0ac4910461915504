// Checks of the C API's arguments that several of its files need.
#pragma once
#include "models/adapter/formats.hpp"
#include "models/adapter/handle.hpp"
#include "models/data/dataset.hpp"
#include "models/model/model.hpp"
#include "models/train/option_ranges.hpp"

namespace ql {

/// Tokens are one tokenizer's: under another model they mean something else, or nothing.
inline Status check_made_for(const ql_dataset & data, const ql_model & model) {
    if (data.data.model == model.model.get()) return {};
    return error(QL_INVALID_ARGUMENT, "%s: the dataset was opened for another model; open it for this one",
                 data.data.path.c_str());
}

/// Every matrix has a linear of its shape; the model may be another one than it was opened for, of other types say.
inline Status check_made_for(const ql_adapter & adapter, const ql_model & model) {
    if (adapter.model == &model) return {};
    if (!adapter.any_base) QL_TRY(check_base(adapter.adapter, model.model->name(), model.model->identity()));
    return check_adapter(adapter.adapter, model.model.get());
}

}  // namespace ql
