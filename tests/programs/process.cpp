#include "programs/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>

namespace ql::test {

double steady_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

namespace {

struct Pipe {
    int fd[2] = {-1, -1};
    Pipe() {
        if (::pipe2(fd, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    }
    ~Pipe() { close_end(0), close_end(1); }
    Pipe(const Pipe &) = delete;
    Pipe & operator=(const Pipe &) = delete;
    void close_end(int i) {
        if (fd[i] >= 0) ::close(fd[i]);
        fd[i] = -1;
    }
};

[[noreturn]] void become(const std::string & path, const std::vector<std::string> & arguments, const ProcessOptions & o,
                         Pipe & in, Pipe & out, Pipe & err) {
    ::dup2(in.fd[0], 0), ::dup2(out.fd[1], 1), ::dup2(err.fd[1], 2);
    // As a shell starts it, even if this process ignores some of them (nohup; SIGPIPE below).
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXCPU, SIGXFSZ}) ::signal(number, SIG_DFL);
    ::setenv("QL_THREADS", "1", 0);  // models here are tiny: waiting for other threads would take longer than the work
    for (const std::string & e : o.environment) ::putenv(const_cast<char *>(e.c_str()));
    std::vector<char *> argv = {const_cast<char *>(path.c_str())};
    for (const std::string & a : arguments) argv.push_back(const_cast<char *>(a.c_str()));
    argv.push_back(nullptr);
    if (o.in_child) o.in_child();
    ::execv(path.c_str(), argv.data());
    ::_exit(127);
}

/// Appends to `text` what can be read; closes the pipe's reading end when the output ends.
void drain(Pipe & p, std::string & text) {
    char buffer[4096];
    const ssize_t n = ::read(p.fd[0], buffer, sizeof buffer);
    if (n > 0)
        text.append(buffer, static_cast<size_t>(n));
    else
        p.close_end(0);
}

/// Writes the whole input; inputs here fit in a pipe's buffer.
void give_input(Pipe & in, const std::string & input) {
    for (size_t done = 0; done < input.size();) {
        const ssize_t n = ::write(in.fd[1], input.data() + done, input.size() - done);
        if (n <= 0) break;
        done += static_cast<size_t>(n);
    }
    in.close_end(1);
}

}  // namespace

ProcessResult run_program(const std::string & name, const std::vector<std::string> & arguments,
                          const ProcessOptions & o) {
    const std::string path = std::string(QL_BINARY_DIR) + "/bin/" + name;
    Pipe in, out, err;
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error("fork");
    if (pid == 0) become(path, arguments, o, in, out, err);
    in.close_end(0), out.close_end(1), err.close_end(1);
    ::signal(SIGPIPE, SIG_IGN);
    if (o.input_at.empty()) give_input(in, o.input);

    ProcessResult r;
    const double start = steady_seconds();
    bool interrupted = false;
    while (out.fd[0] >= 0 || err.fd[0] >= 0) {
        pollfd fds[] = {{out.fd[0], POLLIN, 0}, {err.fd[0], POLLIN, 0}};
        ::poll(fds, 2, 20);
        if (fds[0].revents) drain(out, r.out);
        if (fds[1].revents) drain(err, r.err);
        if (in.fd[1] >= 0 && r.err.find(o.input_at) != std::string::npos) {
            if (o.before_input) o.before_input();
            give_input(in, o.input);
        }
        const bool due = (o.interrupt_after >= 0 && steady_seconds() - start > o.interrupt_after) ||
                         (!o.interrupt_at.empty() && r.err.find(o.interrupt_at) != std::string::npos);
        if (due && !interrupted) ::kill(pid, o.interrupt_signal), interrupted = true;
        if (steady_seconds() - start > o.kill_after) ::kill(pid, SIGKILL);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    r.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return r;
}

std::string show_command(const std::string & name, const std::vector<std::string> & arguments) {
    std::string line = name;
    for (const std::string & a : arguments) line += " " + (a.empty() || a.find(' ') != a.npos ? "'" + a + "'" : a);
    return line;
}

}  // namespace ql::test
