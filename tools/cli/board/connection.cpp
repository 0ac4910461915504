#include "tools/cli/board/connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ql/os.h"

namespace ql::cli {
namespace {

/// Whether the socket is ready within so many seconds; one that failed is, too: the call that follows says so.
bool is_ready(int socket, short what, double seconds) {
    const double end = ql_os_seconds() + seconds;
    for (;;) {
        pollfd fd = {socket, what, 0};
        const double left = std::max(end - ql_os_seconds(), 0.0);
        const int n = ::poll(&fd, 1, static_cast<int>(left * 1000) + 1);
        if (n > 0) return true;
        if (n == 0 || errno != EINTR) return false;
    }
}

}  // namespace

Connection::Connection(int socket) : socket_(socket), start_(ql_os_seconds()) {}

bool Connection::is_readable() const {
    return n_read_ < kMostRead && is_ready(socket_, POLLIN, start_ + kReadSeconds - ql_os_seconds());
}

bool Connection::is_writable() const {
    return is_ready(socket_, POLLOUT, kWriteSeconds);
}

ssize_t Connection::read(char * to, size_t size) {
    size = std::min(size, kMostRead - n_read_);
    if (size == 0 || !is_readable()) return -1;
    const ssize_t n = ::recv(socket_, to, size, MSG_DONTWAIT);
    if (n > 0) n_read_ += static_cast<size_t>(n);
    return n;
}

ssize_t Connection::write(const char * from, size_t size) {
    if (!is_writable()) return -1;
    return ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Connection::get_remote_ip_and_port(std::string & ip, int & port) const {
    ip = "127.0.0.1", port = 0;
}

void Connection::get_local_ip_and_port(std::string & ip, int & port) const {
    ip = "127.0.0.1", port = 0;
}

bool Connections::add(int socket) {
    const std::lock_guard lock(mutex_);
    return !ended_ && sockets_.insert(socket).second;
}

void Connections::close(int socket) {
    ::shutdown(socket, SHUT_WR);
    // What was sent and not read would make the system take the answer back: some of it is read here.
    char rest[4096];
    for (int i = 0; i < 64 && is_ready(socket, POLLIN, 0.1); ++i)
        if (::recv(socket, rest, sizeof rest, MSG_DONTWAIT) <= 0) break;
    const std::lock_guard lock(mutex_);
    sockets_.erase(socket);
    ::close(socket);
}

void Connections::end_all() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
}

}  // namespace ql::cli
