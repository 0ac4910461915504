// The page of a board, on 127.0.0.1 alone, until the object goes.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "tools/cli/board/board.hpp"

namespace ql::cli {

/// Pages that are answered at once; one more is told that there are too many.
inline constexpr int kMostPages = 8;
/// Without a port it is this one, or the first of the next that is free.
inline constexpr int kFirstPort = 7007, kPortsTried = 20;

class BoardServer {
  public:
    /// port: a number, 0 for any that is free, or "" or "auto" for kFirstPort and the next. `stop` is called, from
    /// another thread, when a page asks for it. The board must outlive the object.
    /// Throws Stop where the port cannot be had, or where the program has no server.
    static std::unique_ptr<BoardServer> open(const std::string & port, Board & board, std::function<void()> stop);
    /// "" or what is wrong with such a port.
    static std::string why_not(const std::string & port);
    virtual ~BoardServer() = default;  // pages have a moment to read the board's end
    virtual std::string url() const = 0;
};

}  // namespace ql::cli
