#include "examples/chat/read_prompt.hpp"

#include <cstdio>
#include <iostream>

#include "tools/cli/program.hpp"

namespace ql::cli {
namespace {

constexpr size_t kLongestPrompt = size_t{64} << 20;

}  // namespace

std::string read_prompt() {
    std::string text;
    char piece[1 << 16];
    while (std::cin.read(piece, sizeof piece), std::cin.gcount() > 0) {
        text.append(piece, static_cast<size_t>(std::cin.gcount()));
        if (text.size() > kLongestPrompt) bad_input("-p -: more than %zu bytes", kLongestPrompt);
    }
    check_interrupt();
    if (std::ferror(stdin)) throw Stop{kFailed, "stdin: cannot read"};
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    if (text.empty()) bad_input("-p -: the text is empty");
    return text;
}

}  // namespace ql::cli
