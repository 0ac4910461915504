// A program in a terminal of its own: what is on its screen, typed keys, Ctrl-C as the terminal sends it, another size.
#pragma once
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "programs/screen.hpp"

namespace ql::test {

class Terminal {
  public:
    /// Whether this system gives terminals to programs: a bare chroot without /dev/pts does not.
    static bool is_there_any();
    /// Starts a program of the build's bin/ folder.
    Terminal(const std::string & name, const std::vector<std::string> & arguments, int columns);
    ~Terminal();
    Terminal(const Terminal &) = delete;
    Terminal & operator=(const Terminal &) = delete;

    /// Reads until the screen shows a text, and where that ends with a prompt, its line can be edited; false if the program
    /// ends, or 60 seconds pass, before. Each time that something came, `look` sees the screen.
    bool wait_for(const std::string & text, const std::function<void(const Screen &)> & look = {});
    /// Reads until the terminal itself takes the keys: no line is edited.
    bool wait_for_no_editor();
    void type(const std::string & keys);
    void press_ctrl_c() { type("\x03"); }
    void resize(int columns);
    /// Reads to the end; the exit code, 128 + signal if a signal ended the program.
    int finish(const std::function<void(const Screen &)> & look = {});
    const Screen & screen() const { return screen_; }
    /// Since the program was started.
    double seconds() const;

  private:
    bool read_some();
    bool echoes() const;

    int fd_ = -1;
    pid_t pid_ = -1;
    double start_;
    Screen screen_;
};

}  // namespace ql::test
