// A page's connection, for cpp-httplib: what is read and how long that takes is limited, writes to a page that reads nothing
// end, and all connections can be closed at once when the run has ended.
#pragma once
#include <httplib.h>

#include <mutex>
#include <set>

namespace ql::cli {

class Connection : public httplib::Stream {
  public:
    /// Of a request, its head and body; the head of a browser takes about 1 KiB.
    static constexpr size_t kMostRead = 16384;
    static constexpr double kReadSeconds = 5, kWriteSeconds = 5;

    /// The socket is the caller's.
    explicit Connection(int socket);
    bool is_readable() const override;
    bool is_writable() const override;
    ssize_t read(char * to, size_t size) override;
    ssize_t write(const char * from, size_t size) override;
    void get_remote_ip_and_port(std::string & ip, int & port) const override;
    void get_local_ip_and_port(std::string & ip, int & port) const override;
    socket_t socket() const override { return socket_; }

  private:
    const int socket_;
    const double start_;
    size_t n_read_ = 0;
};

/// Those that are open.
class Connections {
  public:
    /// False: they are closed already.
    bool add(int socket);
    /// Says goodbye, and closes the socket.
    void close(int socket);
    /// Ends all of them, now and later: who reads or writes gets an error at once.
    void end_all();

  private:
    std::mutex mutex_;
    std::set<int> sockets_;
    bool ended_ = false;
};

}  // namespace ql::cli
