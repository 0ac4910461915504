// --dry-run of programs that read and generate: what is planned of memory.
#pragma once
#include "ql/models.hpp"
#include "tools/cli/program.hpp"

namespace ql::cli {

void add_dry_run(Program & program, bool & value);
/// On stdout: a table, or the object of --json.
void print_memory(const Program & program, const ql_inference_info & info);

/// With -v: the most that the process had resident.
void say_peak(const Program & program);

}  // namespace ql::cli
