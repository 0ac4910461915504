// In place of the server, where the program is built without cpp-httplib.
#include "tools/cli/board/server.hpp"
#include "tools/cli/stop.hpp"

namespace ql::cli {

std::unique_ptr<BoardServer> BoardServer::open(const std::string &, Board &, std::function<void()>) {
    bad_input(
        "--board: this program was built without the library that serves the page, cpp-httplib (Debian: "
        "libcpp-httplib-dev); build it with that, or use --plot and --metrics");
}

}  // namespace ql::cli
