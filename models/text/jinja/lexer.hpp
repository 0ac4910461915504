// Cuts a template into text and the tokens of its tags, with Jinja's white-space rules as chat templates are rendered
// with them (trim_blocks and lstrip_blocks on, one trailing newline of the source dropped).
#pragma once
#include <string>
#include <vector>

#include "ql/status.hpp"

namespace ql::jinja {

struct Token {
    enum class Type {
        text,
        block_begin,
        block_end,
        variable_begin,
        variable_end,
        name,
        integer,
        floating,
        string,
        op,
        end
    };
    Type type = Type::end;
    std::string value;  // unescaped for a string
    int line = 1;
};

Result<std::vector<Token>> tokenize(const std::string & source);

/// "line N: what", the form of every message about a template.
[[gnu::format(printf, 2, 3)]] Status template_error(int line, const char * fmt, ...);

}  // namespace ql::jinja
