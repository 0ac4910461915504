#include "tools/cli/signals.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>

#include "ql/os.h"
#include "tools/cli/escape.hpp"
#include "tools/cli/program.hpp"
#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

const char * g_program = "";

// Handlers call only what POSIX allows in them: no stdio, no memory.

void say(const char * text) {
    (void)!::write(STDERR_FILENO, text, std::strlen(text));
}

/// What StopAnswers says. Never changed once a handler may read it.
struct Answers {
    std::string first, at_ctrl_c, hint, second;  // the first two, and the hint, may be ""
    bool quiet = false, terminal = false;
};
std::deque<Answers> all_answers;
std::atomic<const Answers *> current_answers{nullptr};
static_assert(std::atomic<const Answers *>::is_always_lock_free);  // the handler uses it
volatile std::sig_atomic_t hint_given = 0;

/// A line that takes the place of a progress bar.
void say_line(bool terminal, const char * text, const char * more = "") {
    if (terminal) say("\r\033[K");
    say(g_program), say(": "), say(text), say(more), say("\n");
}

extern "C" void on_stop(int number) {
    const Answers & answers = *current_answers.load();
    if (g_interrupt == 0) {
        const int before = errno;  // of the call that the signal came into
        g_interrupt = number;
        if (!answers.quiet && !answers.first.empty())
            say_line(answers.terminal, answers.first.c_str(), number == SIGINT ? answers.at_ctrl_c.c_str() : "");
        errno = before;
        return;
    }
    if (number != SIGINT) return;
    if (!answers.hint.empty() && hint_given == 0) {
        const int before = errno;
        hint_given = 1;
        say("\n"), say(answers.hint.c_str()), say("\n");  // behind what there is of an answer
        errno = before;
        return;
    }
    say_line(answers.terminal, answers.second.c_str());
    ql_os_remove_temporaries();
    ::_exit(kInterrupted);
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

static_assert(sizeof(pthread_t) == sizeof(unsigned long));

StopRequest::StopRequest() : thread_(::pthread_self()) {}

/// A second Ctrl-C ends a program; a second SIGTERM does nothing.
void StopRequest::operator()() const {
    ::pthread_kill(thread_, SIGTERM);
}

struct StopAnswers::Texts {
    std::string first, at_ctrl_c, hint, second;
    bool quiet;
};

StopAnswers::StopAnswers(const Texts & texts) {
    hint_given = 0;
    current_answers = &all_answers.emplace_back(Answers{escape_line(texts.first), escape_line(texts.at_ctrl_c),
                                                        escape_line(texts.hint), escape_line(texts.second), texts.quiet,
                                                        ql_os_is_terminal(STDERR_FILENO, nullptr) != 0});
    struct sigaction action = {}, before = {};
    ::sigemptyset(&action.sa_mask);
    action.sa_handler = on_stop;  // no SA_RESTART, as ql_os_catch_interrupt has it
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGXCPU}) {
        ::sigaction(number, nullptr, &before);
        if (before.sa_handler != SIG_IGN) ::sigaction(number, &action, nullptr);
    }
}

StopAnswers::StopAnswers(const std::string & first, const std::string & at_ctrl_c, const std::string & second,
                         bool quiet)
    : StopAnswers(Texts{first, at_ctrl_c, "", second, quiet}) {}

StopAnswers::StopAnswers(const Hint & hint, const std::string & third, bool quiet)
    : StopAnswers(Texts{"", "", hint.text, third, quiet}) {}

bool StopAnswers::has_hinted() const {
    return hint_given != 0;
}

void StopAnswers::say_at_first(const std::string & first, const std::string & at_ctrl_c) {
    Answers changed = *current_answers.load();
    changed.first = escape_line(first), changed.at_ctrl_c = escape_line(at_ctrl_c);
    current_answers = &all_answers.emplace_back(std::move(changed));
}

void StopAnswers::say_at_second(const std::string & second) {
    Answers changed = *current_answers.load();
    changed.second = escape_line(second);
    current_answers = &all_answers.emplace_back(std::move(changed));
}

StopAnswers::~StopAnswers() {
    ql_os_catch_interrupt(nullptr);
    ql_os_catch_interrupt(&g_interrupt);
}

}  // namespace ql::cli
