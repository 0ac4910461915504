// The border of libql-board.so, which holds the server. It is opened when --board is given: cpp-httplib needs OpenSSL and
// Brotli, 4 MB that no other run should carry. Both sides are of one build, so C++ types may cross.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "tools/cli/board/server.hpp"

namespace ql::cli {

struct BoardOpening {
    const std::string & port;
    Board & board;
    std::function<void()> stop;
    std::unique_ptr<BoardServer> server;  // set, or
    int code = 0;                         // of the Stop that says why not
    std::string trouble;
};

/// The module's only symbol. No exception crosses the border.
inline constexpr const char * kBoardModule = "libql-board.so";
inline constexpr const char * kBoardEntry = "ql_board_open";
using BoardEntry = void(BoardOpening *);

}  // namespace ql::cli
