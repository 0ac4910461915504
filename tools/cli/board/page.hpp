// The page itself, page.html, as it is sent.
#pragma once
#include <string>

namespace ql::cli {

/// token: what the page sends with what it asks for; nonce: of its script and its style.
std::string board_page(const std::string & token, const std::string & nonce);

}  // namespace ql::cli
