// Signals that end a program: what it says then. (Those that only ask it to stop: g_interrupt in program.hpp.)
#pragma once
#include <string>

namespace ql::cli {

/// From now on a file that another program cuts short while this one has it mapped - a model that is copied over, say -
/// ends the program with a line that names the file and exit code 1, not with a bare SIGBUS. `program` must stay valid.
void name_bus_errors(const char * program);

/// For work that has nothing to save and cannot be stopped half way: a signal to stop ends the program at once, with a
/// line and exit code 130.
void end_at_interrupt();

/// For work that saves when it is asked to stop: while the object lives, the first signal to stop sets g_interrupt and says
/// at once what happens now; a second Ctrl-C ends the program with a line of its own and exit code 130. `quiet`: only that
/// second line is said.
class StopAnswers {
  public:
    StopAnswers(const std::string & first, const std::string & at_ctrl_c, const std::string & second, bool quiet);
    ~StopAnswers();
    /// What the second one says from now on.
    void say_at_second(const std::string & second);
    StopAnswers(const StopAnswers &) = delete;
    StopAnswers & operator=(const StopAnswers &) = delete;
};

}  // namespace ql::cli
