#include "programs/terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>

#include "programs/process.hpp"

namespace ql::test {
namespace {

constexpr double kPatience = 60;

void set_size(int fd, int columns) {
    winsize size = {};
    size.ws_col = static_cast<unsigned short>(columns), size.ws_row = 24;
    ::ioctl(fd, TIOCSWINSZ, &size);
}

[[noreturn]] void become(const std::string & name, const std::vector<std::string> & arguments, const char * terminal) {
    ::setsid();
    const int fd = ::open(terminal, O_RDWR);  // becomes the controlling terminal
    ::ioctl(fd, TIOCSCTTY, 0);
    for (const int to : {0, 1, 2}) ::dup2(fd, to);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXCPU, SIGXFSZ}) ::signal(number, SIG_DFL);
    ::setenv("QL_THREADS", "1", 0);
    ::setenv("TERM", "xterm", 1);
    const std::string path = std::string(QL_BINARY_DIR) + "/bin/" + name;
    std::vector<char *> argv = {const_cast<char *>(path.c_str())};
    for (const std::string & a : arguments) argv.push_back(const_cast<char *>(a.c_str()));
    argv.push_back(nullptr);
    ::execv(path.c_str(), argv.data());
    ::_exit(127);
}

}  // namespace

bool Terminal::is_there_any() {
    const int fd = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) ::close(fd);
    return fd >= 0 || (errno != ENOENT && errno != ENODEV);
}

Terminal::Terminal(const std::string & name, const std::vector<std::string> & arguments, int columns)
    : start_(steady_seconds()), screen_(columns) {
    fd_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char terminal[64];
    if (fd_ < 0 || ::grantpt(fd_) != 0 || ::unlockpt(fd_) != 0 || ::ptsname_r(fd_, terminal, sizeof terminal) != 0)
        throw std::runtime_error("no pseudo-terminal");
    set_size(fd_, columns);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ == 0) become(name, arguments, terminal);
}

Terminal::~Terminal() {
    if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    if (fd_ >= 0) ::close(fd_);
}

double Terminal::seconds() const {
    return steady_seconds() - start_;
}

/// False at the end of the output.
bool Terminal::read_some() {
    pollfd p = {fd_, POLLIN, 0};
    if (::poll(&p, 1, 20) == 0) return true;
    char buffer[4096];
    const ssize_t n = ::read(fd_, buffer, sizeof buffer);
    if (n <= 0) return false;  // EIO: nobody has the other end open
    screen_.write(std::string(buffer, static_cast<size_t>(n)));
    return true;
}

/// Of the program's side.
bool Terminal::echoes() const {
    termios mode = {};
    return ::tcgetattr(fd_, &mode) == 0 && (mode.c_lflag & ICANON) != 0;
}

bool Terminal::wait_for(const std::string & text, const std::function<void(const Screen &)> & look) {
    const double begin = steady_seconds();
#ifdef QL_LIBEDIT
    const bool edited = text.ends_with("\n>");  // the editor shows its prompt before it takes the keys over
#else
    const bool edited = false;
#endif
    const auto is_there = [&] { return screen_.text().find(text) != std::string::npos && !(edited && echoes()); };
    while (!is_there()) {
        if (steady_seconds() - begin > kPatience || !read_some()) return is_there();
        if (look) look(screen_);
    }
    return true;
}

bool Terminal::wait_for_no_editor() {
    for (const double begin = steady_seconds(); !echoes();)
        if (steady_seconds() - begin > kPatience || !read_some()) return false;
    return true;
}

void Terminal::type(const std::string & keys) {
    (void)!::write(fd_, keys.data(), keys.size());
}

void Terminal::resize(int columns) {
    set_size(fd_, columns);
    screen_.resize(columns);
}

int Terminal::finish(const std::function<void(const Screen &)> & look) {
    const double begin = steady_seconds();
    while (read_some()) {
        if (look) look(screen_);
        if (steady_seconds() - begin > kPatience) ::kill(pid_, SIGKILL);
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace ql::test
