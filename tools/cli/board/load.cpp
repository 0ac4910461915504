// Opens the server's module, which lies beside the program's libraries.
#include <dlfcn.h>

#include "tools/cli/board/module.hpp"
#include "tools/cli/stop.hpp"

namespace ql::cli {

std::unique_ptr<BoardServer> BoardServer::open(const std::string & port, Board & board, std::function<void()> stop) {
    void * module = ::dlopen(kBoardModule, RTLD_NOW | RTLD_LOCAL);  // never closed: its threads run its code
    auto * entry = module ? reinterpret_cast<BoardEntry *>(::dlsym(module, kBoardEntry)) : nullptr;
    if (!entry) {
        const char * why = ::dlerror();
        run_failed("--board: the page's server cannot be opened: %s; it needs cpp-httplib (Debian: libcpp-httplib0.11)",
                   why ? why : kBoardModule);
    }
    BoardOpening opening{port, board, std::move(stop), nullptr, 0, ""};
    entry(&opening);
    if (!opening.server) throw Stop{opening.code, opening.trouble};
    return std::move(opening.server);
}

}  // namespace ql::cli
