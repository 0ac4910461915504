// A board's news as server-sent events: a line of JSON for each part that has changed (HTML, "Server-sent events").
#pragma once
#include <string>

#include "tools/cli/board/board.hpp"

namespace ql::cli {

/// "event: facts\ndata: {...}\n\n" and so on; "" without news. The end comes last. Bytes that are no UTF-8 become U+FFFD.
std::string events_of(const Board::News & news);

}  // namespace ql::cli
