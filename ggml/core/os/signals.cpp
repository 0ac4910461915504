// Signals that would end the process in silence become a flag or the error of a call (POSIX).
#include <signal.h>

#include <atomic>
#include <iterator>

#include "ql/os.h"

namespace {

std::atomic<volatile int *> interrupt_flag{nullptr};
static_assert(std::atomic<volatile int *>::is_always_lock_free);  // a signal handler may use it

extern "C" void on_interrupt(int signal_number) {
    volatile int * flag = interrupt_flag.load();
    if (flag && *flag == 0) {
        *flag = signal_number;
        return;
    }
    if (signal_number != SIGINT) return;
    ql_os_remove_temporaries();
    ::signal(SIGINT, SIG_DFL);
    ::raise(SIGINT);
}

/// What is done with a signal, and what was done with it before.
struct Caught {
    int number;
    void (*handler)(int);
    bool leave_ignored = false;  // where it was ignored already
    struct sigaction before = {};
    bool installed = false;
};
Caught caught[] = {
    {SIGINT, on_interrupt},       {SIGTERM, on_interrupt},
    {SIGHUP, on_interrupt, true},  // nohup: the work is meant to go on
    {SIGXCPU, on_interrupt},       // the soft limit; SIGKILL comes at the hard one
    {SIGPIPE, SIG_IGN},            // write() says EPIPE
    {SIGXFSZ, SIG_IGN},            // write() says EFBIG
};

void install(Caught & c) {
    struct sigaction action = {};
    ::sigemptyset(&action.sa_mask);
    action.sa_handler = c.handler;  // no SA_RESTART: a program that waits for the keyboard wakes up
    if (c.installed || ::sigaction(c.number, nullptr, &c.before) != 0) return;
    if (c.leave_ignored && c.before.sa_handler == SIG_IGN) return;
    c.installed = ::sigaction(c.number, &action, nullptr) == 0;
}

void restore(Caught & c) {
    if (c.installed) ::sigaction(c.number, &c.before, nullptr);
    c.installed = false;
}

}  // namespace

void ql_os_catch_interrupt(volatile int * flag) {
    interrupt_flag.store(flag);
    for (Caught & c : caught) flag ? install(c) : restore(c);
}
