// The ranges of a run's options, whoever gives them: a caller, or the checkpoint that a run goes on from.
#pragma once
#include "common/structs.hpp"
#include "ql/status.hpp"
#include "ql/train.h"

namespace ql {

/// errors  QL_INVALID_ARGUMENT; `name` names the option. NaN is in no range.
Status in_range(const char * name, double value, double low, double high);

/// One of an enumeration's values from 0 to `last`. `what` names the option in messages.
template <typename Enum>
Status check_enum(const char * what, const Enum & value, Enum last) {
    const int32_t number = enum_number(value);
    if (number >= 0 && number <= enum_number(last)) return {};
    return error(QL_INVALID_ARGUMENT, "%s: %d is unknown, 0 to %d are possible", what, number, enum_number(last));
}

/// errors  QL_INVALID_ARGUMENT: names the first option out of its range
Status check_train_options(const ql_train_options & options);

}  // namespace ql
