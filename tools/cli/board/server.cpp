// The server of a run's page, over cpp-httplib: libql-board.so.
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <thread>

#include "ql/os.h"
#include "tools/cli/board/connection.hpp"
#include "tools/cli/board/events.hpp"
#include "tools/cli/board/guard.hpp"
#include "tools/cli/board/module.hpp"
#include "tools/cli/board/page.hpp"
#include "tools/cli/board/workers.hpp"
#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

constexpr const char * kHere = "127.0.0.1";
constexpr size_t kThreads = kMostPages + 4, kMostWaiting = 16;  // connections
constexpr size_t kPiece = 16384;                                // of what is sent
constexpr double kBeatSeconds = 5;    // a page that hears nothing for longer says that the connection is lost
constexpr double kRestSeconds = 0.2;  // between two messages to a page: a tiny model makes thousands of steps a second
constexpr double kEndSeconds = 1;     // that pages have to read the end

/// Signals are the training thread's. (SIGPIPE, which cpp-httplib ignores for the whole process, programs ignore anyway.)
class NoSignals {
  public:
    NoSignals() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    NoSignals(const NoSignals &) = delete;
    NoSignals & operator=(const NoSignals &) = delete;

  private:
    sigset_t before_;
};

class HttpServer : public httplib::Server {
  public:
    Connections connections;

  private:
    bool process_and_close_socket(socket_t socket) override {
        bool done = false, closed = false;
        if (connections.add(socket)) {
            Connection connection(socket);
            done = process_request(connection, true, closed, nullptr);
        }
        connections.close(socket);
        return done;
    }
};

/// A port that is in use stays refused: without SO_REUSEPORT, which cpp-httplib would set.
void set_options(int socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    ::fcntl(socket, F_SETFD, FD_CLOEXEC);
}

/// Why a port cannot be bound, as errno; 0: it can.
int trouble_with(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    set_options(fd);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool is_bound =
        ::bind(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0 && ::listen(fd, 1) == 0;
    const int trouble = is_bound ? 0 : errno;
    ::close(fd);
    return trouble;
}

class LocalServer : public BoardServer {
  public:
    LocalServer(Board & board, std::function<void()> stop) : board_(board), stop_(std::move(stop)) {
        routes();
        http_.set_socket_options(set_options);
        http_.set_tcp_nodelay(true);
        http_.set_payload_max_length(1024);
        http_.new_task_queue = [this] { return workers_.release(); };
    }

    ~LocalServer() override {
        const double end = ql_os_seconds() + kEndSeconds;
        while (board_.has_ended() && n_pages_ > 0 && ql_os_seconds() < end)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        ends_ = true;
        http_.connections.end_all();
        http_.stop();
        if (thread_.joinable()) thread_.join();
    }

    bool bind(int port) {
        if (port > 0) return http_.bind_to_port(kHere, port) && (port_ = port) > 0;
        return (port_ = http_.bind_to_any_port(kHere)) > 0;
    }

    void start() {
        {
            const NoSignals none;
            workers_ = std::make_unique<Workers>(kThreads, kMostWaiting);
            thread_ = std::thread([this] {
                ::pthread_setname_np(::pthread_self(), "board");
                http_.listen_after_bind();
                is_over_ = true;
            });
        }
        // stop() does nothing to a server that does not run yet.
        while (!http_.is_running() && !is_over_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }

    std::string url() const override { return "http://" + std::string(kHere) + ":" + std::to_string(port_) + "/"; }

  private:
    void routes() {
        http_.set_default_headers({{"Cache-Control", "no-store"},
                                   {"X-Content-Type-Options", "nosniff"},
                                   {"X-Frame-Options", "DENY"},
                                   {"Referrer-Policy", "no-referrer"},
                                   {"Cross-Origin-Resource-Policy", "same-origin"}});
        http_.set_pre_routing_handler([this](const httplib::Request & request, httplib::Response & response) {
            const int status = refusal_of(request);
            if (status == 0) return httplib::Server::HandlerResponse::Unhandled;
            response.status = status;
            return httplib::Server::HandlerResponse::Handled;
        });
        http_.Get("/", [this](const auto &, httplib::Response & response) { send_page(response); });
        http_.Get("/events", [this](const auto &, httplib::Response & response) { send_events(response); });
        http_.Post("/stop", [this](const auto &, httplib::Response & response) {
            board_.set_stopping();
            stop_();
            response.status = 202;
        });
    }

    int refusal_of(const httplib::Request & request) const {
        const auto header = [&](const char * name) { return request.get_header_value(name); };
        if (request.get_header_value_count("Host") != 1) return 400;
        return refusal({request.method, request.path, header("Host"), header("Origin"), header("Sec-Fetch-Site"),
                        header("X-Board-Token")},
                       token_);
    }

    void send_page(httplib::Response & response) const {
        const std::string nonce = new_token();
        response.set_header("Content-Security-Policy",
                            "default-src 'none'; connect-src 'self'; img-src data:; script-src 'nonce-" + nonce +
                                "'; style-src 'nonce-" + nonce +
                                "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
        response.set_content(board_page(token_, nonce), "text/html; charset=utf-8");
    }

    /// What one page has seen goes along with its answer.
    struct Reader {
        Board::Seen seen;
        bool has_begun = false;
    };

    void send_events(httplib::Response & response) {
        if (n_pages_.fetch_add(1) >= kMostPages) {
            --n_pages_;
            response.status = 503;
            return;
        }
        response.set_content_provider(
            "text/event-stream",
            [this, reader = std::make_shared<Reader>()](size_t, httplib::DataSink & sink) {
                return send_news(*reader, sink);
            },
            [this](bool) { --n_pages_; });
    }

    /// One message: what is new, or that there is nothing. False: the page is gone.
    bool send_news(Reader & reader, httplib::DataSink & sink) {
        if (reader.has_begun) board_.rest(kRestSeconds);
        const bool is_new = board_.wait(reader.seen, kBeatSeconds);
        std::string text = reader.has_begun ? "" : "event: run\ndata: \"" + token_.substr(0, 8) + "\"\n\n";
        reader.has_begun = true;
        const Board::News news = board_.news(reader.seen);
        text += is_new ? events_of(news) : "event: beat\ndata: 0\n\n";
        for (size_t at = 0; at < text.size(); at += kPiece)
            if (ends_ || !sink.write(text.data() + at, std::min(kPiece, text.size() - at))) return false;
        if (news.end) sink.done();
        return true;
    }

    Board & board_;
    const std::function<void()> stop_;
    const std::string token_ = new_token();
    int port_ = 0;
    std::atomic<int> n_pages_{0};
    std::atomic<bool> ends_{false}, is_over_{false};
    std::unique_ptr<Workers> workers_;  // until the server takes them
    HttpServer http_;
    std::thread thread_;
};

[[noreturn]] void refuse_port(int port, int trouble) {
    const std::string why = trouble == EADDRINUSE ? "is in use by another program"
                                                  : "cannot be had: " + std::generic_category().message(trouble);
    bad_input("--board: port %d %s; give another one, 0 for any that is free, or none for %d and the next", port,
              why.c_str(), kFirstPort);
}

void bind_given(LocalServer & server, int port) {
    if (const int trouble = port > 0 ? trouble_with(port) : 0) refuse_port(port, trouble);
    if (!server.bind(port)) refuse_port(port, EADDRINUSE);
}

void bind_first_free(LocalServer & server) {
    for (int port = kFirstPort; port < kFirstPort + kPortsTried; ++port)
        if (trouble_with(port) == 0 && server.bind(port)) return;
    bad_input("--board: ports %d to %d are all in use; give another one, or 0 for any that is free", kFirstPort,
              kFirstPort + kPortsTried - 1);
}

std::unique_ptr<BoardServer> open_server(const BoardOpening & opening) {
    auto server = std::make_unique<LocalServer>(opening.board, opening.stop);
    const std::string & port = opening.port;
    if (port.find_first_not_of("0123456789") != port.npos || port.empty())
        bind_first_free(*server);
    else
        bind_given(*server, std::stoi(port));
    server->start();
    return server;
}

}  // namespace
}  // namespace ql::cli

extern "C" [[gnu::visibility("default")]] void ql_board_open(ql::cli::BoardOpening * opening) {
    try {
        opening->server = ql::cli::open_server(*opening);
    } catch (const ql::cli::Stop & stop) {
        opening->code = stop.code, opening->trouble = stop.message;
    } catch (const std::exception & e) {
        opening->code = ql::cli::kFailed, opening->trouble = std::string("--board: ") + e.what();
    }
}
