#include "tools/cli/board/guard.hpp"

#include <random>

namespace ql::cli {
namespace {

constexpr int kForbidden = 403, kNotFound = 404, kNotAllowed = 405;

}  // namespace

bool is_this_machine(const std::string & host) {
    for (const std::string name : {"127.0.0.1", "localhost"}) {
        if (!host.starts_with(name)) continue;
        const std::string port = host.substr(name.size());
        if (port.empty()) return true;
        if (port[0] == ':' && port.size() > 1 && port.size() <= 6 &&
            port.find_first_not_of("0123456789", 1) == port.npos)
            return true;
    }
    return false;
}

int refusal(const Asked & asked, const std::string & token) {
    if (!is_this_machine(asked.host)) return kForbidden;
    if (!asked.origin.empty() && asked.origin != "http://" + asked.host) return kForbidden;
    if (asked.path == "/stop") {
        if (asked.method != "POST") return kNotAllowed;
        if (!asked.fetch_site.empty() && asked.fetch_site != "same-origin") return kForbidden;
        return asked.token == token ? 0 : kForbidden;
    }
    if (asked.path != "/" && asked.path != "/events") return kNotFound;
    return asked.method == "GET" ? 0 : kNotAllowed;
}

std::string new_token() {
    std::random_device random;  // the system's
    std::string token;
    while (token.size() < 32) token += "0123456789abcdef"[random() % 16];
    return token;
}

}  // namespace ql::cli
