#include "tools/cli/board/page.hpp"

namespace ql::cli {

extern const char kBoardPage[];  // page.html, written by embed.cmake
extern const unsigned long kBoardPageSize;

namespace {

void put(std::string & text, const std::string & mark, const std::string & value) {
    for (size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + value.size()))
        text.replace(at, mark.size(), value);
}

}  // namespace

std::string board_page(const std::string & token, const std::string & nonce) {
    std::string page(kBoardPage, kBoardPageSize);
    put(page, "{{token}}", token);
    put(page, "{{nonce}}", nonce);
    return page;
}

}  // namespace ql::cli
