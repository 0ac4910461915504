#include "tools/cli/signals.hpp"

#include <signal.h>
#include <unistd.h>

#include <cstring>

#include "ql/os.h"
#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

const char * g_program = "";

// Handlers call only what POSIX allows in them: no stdio, no memory.

void say(const char * text) {
    (void)!::write(STDERR_FILENO, text, std::strlen(text));
}

/// A path on the terminal: what is not plain ASCII is shown as '?' here.
void say_path(const char * path) {
    for (; *path; ++path) {
        const char c = *path >= ' ' && *path < 0x7F ? *path : '?';
        (void)!::write(STDERR_FILENO, &c, 1);
    }
}

extern "C" void on_bus_error(int number, siginfo_t * info, void *) {
    const char * path = ql_os_mapped_path(info->si_addr);
    if (!path) {
        ::signal(number, SIG_DFL);  // no mapped file's: the same instruction faults again, and ends the process
        return;
    }
    say(g_program);
    say(": error: ");
    say_path(path);
    say(": cannot be read any more: another program cut it short while it was in use, or its disk fails\n");
    ql_os_remove_temporaries();
    ::_exit(kFailed);
}

extern "C" void on_end(int) {
    say(g_program);
    say(": interrupted\n");
    ql_os_remove_temporaries();
    ::_exit(kInterrupted);
}

}  // namespace

void name_bus_errors(const char * program) {
    g_program = program;
    struct sigaction action = {};
    ::sigemptyset(&action.sa_mask);
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = on_bus_error;
    ::sigaction(SIGBUS, &action, nullptr);
}

void end_at_interrupt() {
    struct sigaction action = {}, before = {};
    ::sigemptyset(&action.sa_mask);
    action.sa_handler = on_end;
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGXCPU}) {
        ::sigaction(number, nullptr, &before);
        if (before.sa_handler != SIG_IGN) ::sigaction(number, &action, nullptr);
    }
}

}  // namespace ql::cli
