// Which requests are answered. The page is for this machine's user alone, but every web site that the user's browser
// shows can send requests here, and can have its own name point to this address (DNS rebinding). So the name that was asked
// for must be this machine's; and what changes anything needs a token that only the page holds.
#pragma once
#include <string>

namespace ql::cli {

/// What of a request tells who asks; absent headers are "".
struct Asked {
    std::string method, path, host, origin, fetch_site, token;
};

/// Whether a Host header names this machine by its address or as localhost; the port may be another's, as that of a tunnel.
bool is_this_machine(const std::string & host);

/// The HTTP status with which the request is refused, 0: it is answered. token: that of the page.
int refusal(const Asked & asked, const std::string & token);

/// 32 hexadecimal digits that cannot be guessed.
std::string new_token();

}  // namespace ql::cli
