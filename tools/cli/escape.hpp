// Makes text from files and users fit for a terminal: the one place where programs do so.
//
// A name in a model file, or a text that a model wrote, may hold characters that command a terminal: it could clear the
// screen, set its title, pretend to be other output. They are shown as \x1b or \u202e instead: the controls of ASCII
// and of Latin-1 (C1), the characters that reorder what stands beside them, and bytes that are no UTF-8. All other
// UTF-8 stays.
#pragma once
#include <string>
#include <string_view>

namespace ql::cli {

/// For a line, or a cell of a table: newline and tab are shown as \n and \t.
std::string escape_line(std::string_view text);
/// For a text of several lines: newline and tab stay.
std::string escape_text(std::string_view text);
/// For JSON that has been written out: the same characters become \u001b inside its strings, which keeps its meaning.
std::string escape_json(std::string_view json);
/// Whether every byte belongs to a character.
bool is_utf8(std::string_view text);

}  // namespace ql::cli
