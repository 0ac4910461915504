// --train-on: which parts of a conversation carry loss, by their names.
#pragma once
#include <string>

namespace ql::cli {

/// For the option's help.
extern const char * const kTrainOnNames;

/// "last,words" as a sum of ql_train_on. Stops with exit code 2 at a name that is none, and at all beside others.
int read_train_on(const std::string & names);

/// Whether it is a part of the answers, which may lack the end of turn.
bool trains_parts(int flags);

}  // namespace ql::cli
