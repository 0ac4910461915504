// A piece of a test in a process of its own: for what changes signals, limits or descriptors of the whole process.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

namespace ql::test {

/// Runs `body` in a child process whose exit code is what `body` returns; returns the child's status from waitpid().
template <typename Body>
int in_child(Body && body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
}

/// The exit code of such a child; 128 + the signal if one ended the child.
template <typename Body>
int exit_code_in_child(Body && body) {
    const int status = in_child(body);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace ql::test
