// Signals that end a program: what it says then. (Those that only ask it to stop: g_interrupt in program.hpp.)
#pragma once

namespace ql::cli {

/// From now on a file that another program cuts short while this one has it mapped - a model that is copied over, say -
/// ends the program with a line that names the file and exit code 1, not with a bare SIGBUS. `program` must stay valid.
void name_bus_errors(const char * program);

/// For work that has nothing to save and cannot be stopped half way: a signal to stop ends the program at once, with a
/// line and exit code 130.
void end_at_interrupt();

}  // namespace ql::cli
