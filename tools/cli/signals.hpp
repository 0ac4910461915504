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

/// From another thread: to the calling one it is as if a signal had asked it to stop. What was asked already is not asked
/// again, so that nothing ends at once.
class StopRequest {
  public:
    StopRequest();  // of the thread that a signal would ask
    void operator()() const;

  private:
    unsigned long thread_;
};

/// For work that saves when it is asked to stop: while the object lives, the first signal to stop sets g_interrupt and says
/// at once what happens now; a second Ctrl-C ends the program with a line of its own and exit code 130. `quiet`: only that
/// second line is said.
class StopAnswers {
  public:
    StopAnswers(const std::string & first, const std::string & at_ctrl_c, const std::string & second, bool quiet);
    /// The first one is answered by what it ends; a second Ctrl-C has a hint, and only the third ends the program.
    struct Hint {
        std::string text;
    };
    StopAnswers(const Hint & hint, const std::string & third, bool quiet);
    ~StopAnswers();
    /// What the first one says from now on.
    void say_at_first(const std::string & first, const std::string & at_ctrl_c);
    /// Whether the hint was given.
    bool has_hinted() const;
    /// What the second one says from now on.
    void say_at_second(const std::string & second);
    StopAnswers(const StopAnswers &) = delete;
    StopAnswers & operator=(const StopAnswers &) = delete;

  private:
    struct Texts;
    explicit StopAnswers(const Texts & texts);
};

}  // namespace ql::cli
