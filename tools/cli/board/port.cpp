// What --board takes.
#include <algorithm>
#include <cctype>

#include "tools/cli/board/server.hpp"

namespace ql::cli {

std::string BoardServer::why_not(const std::string & port) {
    const bool digits = !port.empty() && port.size() <= 5 &&
                        std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (port.empty() || port == "auto" || (digits && std::stoi(port) <= 65535)) return "";
    return "'" + port + "' is no port; 0 to 65535 are possible, or auto";
}

}  // namespace ql::cli
