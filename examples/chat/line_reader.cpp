#include "examples/chat/line_reader.hpp"

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <iostream>

#include "tools/cli/program.hpp"

#ifdef QL_LIBEDIT
#include <histedit.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cwchar>
#endif

namespace ql::cli {

#ifdef QL_LIBEDIT

namespace {

constexpr int kHistory = 500;
constexpr auto kNoCharacter = static_cast<size_t>(-1), kMoreBytes = static_cast<size_t>(-2);  // of mbrtowc

/// A character of UTF-8. A signal ends the wait: libedit's own reader would go on with it.
int read_character(EditLine *, wchar_t * character) {
    std::mbstate_t state{};
    for (;;) {
        char byte = 0;
        const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
        if (n < 0 && errno == EINTR && !g_interrupt) continue;
        if (n <= 0) return static_cast<int>(n);
        const bool begun = std::mbsinit(&state) == 0;
        size_t used = std::mbrtowc(character, &byte, 1, &state);
        if (used == kNoCharacter && begun) {  // what was begun is no UTF-8 and passed over; this byte may be a character
            state = {};
            used = std::mbrtowc(character, &byte, 1, &state);
        }
        if (used == kNoCharacter) state = {};
        if (used != kNoCharacter && used != kMoreBytes) return 1;
    }
}

/// Whether Ctrl-D was typed while no line was edited. The terminal took it for an end of file then, which is a line of no
/// bytes; the editor would read a NUL in its place, and pass over it.
bool end_was_typed() {
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    int waiting = 0;
    return ::poll(&input, 1, 0) == 1 && (input.revents & POLLIN) && ::ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 &&
           waiting == 0;
}

char * prompt_of(EditLine * editor) {
    void * prompt = nullptr;
    el_get(editor, EL_CLIENTDATA, &prompt);
    return static_cast<char *>(prompt);
}

}  // namespace

struct LineReader::Editor {
    explicit Editor(std::string & prompt) : line(el_init("ql-chat", stdin, stdout, stderr)), history(history_init()) {
        if (!line || !history) return;
        HistEvent event;
        ::history(history, &event, H_SETSIZE, kHistory);
        ::history(history, &event, H_SETUNIQUE, 1);
        el_set(line, EL_CLIENTDATA, prompt.data());
        el_set(line, EL_PROMPT, prompt_of);
        el_set(line, EL_EDITOR, "emacs");
        el_set(line, EL_GETCFN, read_character);
        el_set(line, EL_HIST, ::history, history);
        el_source(line, nullptr);  // ~/.editrc
    }
    ~Editor() {
        if (line) el_end(line);
        if (history) history_end(history);
    }
    Editor(const Editor &) = delete;
    Editor & operator=(const Editor &) = delete;

    Got read(std::string & text) const {
        if (end_was_typed()) return Got::end;
        int n = 0;
        const char * const typed = el_gets(line, &n);
        if (g_interrupt) return Got::stop;
        if (!typed || n <= 0) return Got::end;
        text.assign(typed, static_cast<size_t>(n));
        if (text.ends_with('\n')) text.pop_back();
        HistEvent event;
        if (text.find_first_not_of(" \t") != text.npos) ::history(history, &event, H_ENTER, text.c_str());
        return Got::line;
    }

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
