// Runs a built program and keeps what it printed.
#pragma once
#include <signal.h>

#include <functional>
#include <string>
#include <vector>

namespace ql::test {

struct ProcessOptions {
    std::string input;                          // its stdin
    std::vector<std::string> environment = {};  // "NAME=value", added to this process's own
    double interrupt_after = -1;                // seconds until the program gets the signal; < 0: never
    std::string interrupt_at = "";              // or: as soon as the program's stderr holds this
    int interrupt_signal = SIGINT;
    std::string input_at = "";  // the input is written, after before_input, once stderr holds this
    std::function<void()> before_input = {};
    std::function<void()> in_child = {};  // called last before the program: limits, closed streams
    double kill_after = 120;              // seconds; a program that takes longer has failed
};

struct ProcessResult {
    int code = -1;  // exit code; 128 + signal if a signal ended it
    std::string out, err;
};

/// Of a clock that nobody sets.
double steady_seconds();

/// Runs a program of the build's bin/ folder with arguments.
ProcessResult run_program(const std::string & name, const std::vector<std::string> & arguments,
                          const ProcessOptions & options = {});
/// The command line as a shell would show it, for messages.
std::string show_command(const std::string & name, const std::vector<std::string> & arguments);

}  // namespace ql::test
