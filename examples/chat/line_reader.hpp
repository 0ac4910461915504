// What a person says, a line at a time. At a terminal it can be edited, and said again with the arrow keys, where the
// program was built with libedit; else, and where nobody types, lines are read as they come.
#pragma once
#include <memory>
#include <string>

namespace ql::cli {

class LineReader {
  public:
    /// interactive: somebody types at a terminal, and sees it there.
    LineReader(std::string prompt, bool interactive);
    ~LineReader();
    LineReader(const LineReader &) = delete;
    LineReader & operator=(const LineReader &) = delete;

    /// stop: a signal asked to stop (g_interrupt) before the line was ready; cleared: the same, and there was something on the
    /// line, where that is known.
    enum class Got { line, end, stop, cleared };
    /// Shows the prompt, and waits for a line; without its newline. One that was pasted, or has ends of lines by Alt-Enter, may
    /// be several.
    Got read(std::string & line);

  private:
    struct Editor;
    std::string prompt_;
    std::unique_ptr<Editor> editor_;  // null: lines are not edited
};

}  // namespace ql::cli
