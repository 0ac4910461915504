#include "examples/chat/line_reader.hpp"

#include <clocale>
#include <cstdio>
#include <iostream>

#include "tools/cli/program.hpp"

#ifdef QL_LIBEDIT
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "examples/chat/key_reader.hpp"
#endif

namespace ql::cli {

#ifdef QL_LIBEDIT

namespace {

constexpr int kHistory = 500;

/// Whether Ctrl-D was typed while no line was edited. The terminal took it for an end of file then, which is a line of no
/// bytes; the editor would read a NUL in its place, and pass over it.
bool end_was_typed() {
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    int waiting = 0;
    return ::poll(&input, 1, 0) == 1 && (input.revents & POLLIN) && ::ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 &&
           waiting == 0;
}

}  // namespace

struct LineReader::Editor {
    explicit Editor(std::string & prompt)
        : keys(prompt), line(el_init("ql-chat", stdin, stdout, stderr)), history(history_init()) {
        if (!line || !history) return;
        HistEvent event;
        ::history(history, &event, H_SETSIZE, kHistory);
        ::history(history, &event, H_SETUNIQUE, 1);
        el_set(line, EL_EDITOR, "emacs");
        el_set(line, EL_HIST, ::history, history);
        el_source(line, nullptr);  // ~/.editrc, which may choose other keys
        keys.attach(line);
        // A terminal flushes its output after it has sent the signal of Ctrl-C, and so would take back a quick prompt.
        // Nor may it swap carriage returns and line feeds: what is pasted may end its lines with both.
        el_set(line, EL_SETTY, "-d", "+noflsh", "-icrnl", "-inlcr", nullptr);  // of the editor's mode, and sets it:
        el_set(line, EL_SETTY, "-x", "-noflsh", nullptr);                      // back to the mode between lines
    }
    ~Editor() {
        if (line) el_end(line);
        if (history) history_end(history);
    }
    Editor(const Editor &) = delete;
    Editor & operator=(const Editor &) = delete;

    Got read(std::string & text) {
        if (end_was_typed()) return Got::end;
        keys.begin_line();
        int n = 0;
        KeyReader::mark_pasted(true);
        const char * const typed = el_gets(line, &n);
        KeyReader::mark_pasted(false);
        if (g_interrupt) return is_empty() ? Got::stop : Got::cleared;
        if (!typed || n <= 0) return Got::end;
        text.assign(typed, static_cast<size_t>(n));
        if (text.ends_with('\n')) text.pop_back();
        HistEvent event;
        if (text.find_first_not_of(" \t") != text.npos) ::history(history, &event, H_ENTER, text.c_str());
        return Got::line;
    }

    /// Whether nothing was typed on the line so far.
    bool is_empty() const {
        const LineInfo * typed = el_line(line);
        return typed->lastchar == typed->buffer;
    }

    KeyReader keys;
    EditLine * line;
    History * history;
};

LineReader::LineReader(std::string prompt, bool interactive) : prompt_(std::move(prompt)) {
    if (!interactive || !std::setlocale(LC_CTYPE, "C.UTF-8")) return;  // how libedit knows what a character is
    editor_ = std::make_unique<Editor>(prompt_);
    if (!editor_->line || !editor_->history) editor_.reset();
}

LineReader::Got LineReader::read(std::string & line) {
    if (editor_) return editor_->read(line);
#else

struct LineReader::Editor {};

LineReader::LineReader(std::string prompt, bool) : prompt_(std::move(prompt)) {}

LineReader::Got LineReader::read(std::string & line) {
#endif
    if (!prompt_.empty()) std::printf("%s", prompt_.c_str()), std::fflush(stdout);
    if (std::getline(std::cin, line)) return Got::line;
    if (!g_interrupt) return Got::end;
    std::cin.clear();
    std::clearerr(stdin);
    return Got::stop;
}

LineReader::~LineReader() = default;

}  // namespace ql::cli
