#include "examples/chat/key_reader.hpp"

#ifdef QL_LIBEDIT

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <string_view>
#include <utility>

#include "tools/cli/program.hpp"

namespace ql::cli {
namespace {

constexpr auto kNoCharacter = static_cast<size_t>(-1), kMoreBytes = static_cast<size_t>(-2);  // of mbrtowc
constexpr char kEscape = '\033', kInsert = '\036';  // no key of a keyboard's usual ones: Ctrl-^
constexpr int kSequenceMilliseconds = 50;           // a terminal sends a sequence at once, a person types slower
constexpr int kLookAround = 200;                    // milliseconds
constexpr size_t kLongestSequence = 32;
constexpr std::string_view kPasteBegins = "[200~", kPasteEnds = "\033[201~";

/// Sequences, without the escape in front, as terminals of the xterm, rxvt and Linux console kind send them.
struct Key {
    const char *sequence, *command;
};
constexpr Key kKeys[] = {{"[A", "ed-prev-history"}, {"OA", "ed-prev-history"},       {"[B", "ed-next-history"},
                         {"OB", "ed-next-history"}, {"[C", "ed-next-char"},          {"OC", "ed-next-char"},
                         {"[D", "ed-prev-char"},    {"OD", "ed-prev-char"},          {"[H", "ed-move-to-beg"},
                         {"OH", "ed-move-to-beg"},  {"[1~", "ed-move-to-beg"},       {"[7~", "ed-move-to-beg"},
                         {"[F", "ed-move-to-end"},  {"OF", "ed-move-to-end"},        {"[4~", "ed-move-to-end"},
                         {"[8~", "ed-move-to-end"}, {"[3~", "ed-delete-next-char"},  {"[1;5D", "ed-prev-word"},
                         {"[1;3D", "ed-prev-word"}, {"[5D", "ed-prev-word"},         {"Od", "ed-prev-word"},
                         {"[1;5C", "em-next-word"}, {"[1;3C", "em-next-word"},       {"[5C", "em-next-word"},
                         {"Oc", "em-next-word"},    {"[3;5~", "em-delete-next-word"}};

bool is_known(const std::string & sequence) {
    return std::any_of(std::begin(kKeys), std::end(kKeys), [&](const Key & key) { return sequence == key.sequence; });
}

/// Without NULs and bytes that are no UTF-8, which the editor cannot hold.
std::string characters_of(const std::string & text) {
    std::string whole;
    std::mbstate_t state{};
    for (size_t at = 0; at < text.size();) {
        const size_t n = std::mbrlen(text.data() + at, text.size() - at, &state);
        const bool is_one = n > 0 && n != kNoCharacter && n != kMoreBytes;
        if (is_one) whole.append(text, at, n);
        if (!is_one) state = {};
        at += is_one ? n : 1;
    }
    return whole;
}

bool has_input() {
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    return ::poll(&input, 1, 0) == 1;
}

}  // namespace

KeyReader & KeyReader::of(EditLine * editor) {
    void * reader = nullptr;
    el_get(editor, EL_CLIENTDATA, &reader);
    return *static_cast<KeyReader *>(reader);
}
char * KeyReader::show_prompt(EditLine * editor) {
    return of(editor).prompt_.data();
}
int KeyReader::read_character(EditLine * editor, wchar_t * character) {
    return of(editor).read(character);
}
unsigned char KeyReader::insert_text(EditLine * editor, int) {
    const std::string text = std::exchange(of(editor).text_, "");
    return el_insertstr(editor, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

void KeyReader::attach(EditLine * editor) {
    el_set(editor, EL_CLIENTDATA, this);
    el_set(editor, EL_PROMPT, show_prompt);
    el_set(editor, EL_GETCFN, read_character);
    for (const Key & key : kKeys)
        el_set(editor, EL_BIND, (kEscape + std::string(key.sequence)).c_str(), key.command, nullptr);
    el_set(editor, EL_ADDFN, "ql-insert", "inserts what was pasted", insert_text);
    el_set(editor, EL_BIND, std::string(1, kInsert).c_str(), "ql-insert", nullptr);
}

void KeyReader::mark_pasted(bool on) {
    const char * terminal = std::getenv("TERM");
    if (!terminal || std::string_view(terminal) == "dumb") return;
    std::fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
    std::fflush(stdout);
}

int KeyReader::read_byte(char & byte, int milliseconds) {
    if (!given_.empty()) {
        byte = given_.front();
        given_.pop_front();
        return 1;
    }
    while (!g_interrupt) {  // a signal between this and poll() is seen when its time is over
        pollfd input = {STDIN_FILENO, POLLIN, 0};
        const int ready = ::poll(&input, 1, milliseconds >= 0 ? milliseconds : kLookAround);
        if (ready == 0 && milliseconds >= 0) return 0;
        if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
        const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
        if (n < 0 && errno == EINTR) continue;
        return static_cast<int>(n);
    }
    return -1;
}

int KeyReader::read(wchar_t * character) {
    bool typed_before = std::exchange(begins_line_, false) && has_input();
    std::mbstate_t state{};
    for (;;) {
        const bool is_given = !given_.empty();  // and was looked at before
        char byte = 0;
        if (const int n = read_byte(byte); n <= 0) return n;
        if (std::exchange(typed_before, false) && byte == '\0') return 0;  // Ctrl-D became one: begin_line()
        const bool begun = std::mbsinit(&state) == 0;
        if (byte == kEscape && !is_given && !begun) {
            if (const int n = read_escape(); n < 0) return n;
            continue;
        }
        size_t used = std::mbrtowc(character, &byte, 1, &state);
        if (used == kNoCharacter &&
            begun) {  // what was begun is no UTF-8 and passed over; this byte may be a character
            state = {};
            used = std::mbrtowc(character, &byte, 1, &state);
        }
        if (used == kNoCharacter) state = {};
        if (used != kNoCharacter && used != kMoreBytes) return 1;
    }
}

/// What follows an escape: given on if libedit knows it, passed over if it is another key's.
int KeyReader::read_escape() {
    char byte = 0;
    if (const int n = read_byte(byte, kSequenceMilliseconds); n <= 0) return n < 0 ? n : (give({kEscape}), 1);
    if (byte == kEscape) return read_escape();  // Alt with a key that has a sequence
    if (byte == '\r' || byte == '\n') return text_ += '\n', give({kInsert}), 1;
    std::string sequence(1, byte);
    if (byte != '[' && byte != 'O') return give({kEscape}), give(sequence), 1;
    do {
        const int n = read_byte(byte, kSequenceMilliseconds);
        if (n < 0) return n;
        if (n == 0) break;
        sequence += byte;
    } while (sequence.size() < kLongestSequence && (byte < '@' || byte > '~'));
    if (sequence == kPasteBegins) return read_pasted();
    if (sequence.size() == 1 || is_known(sequence)) give(kEscape + sequence);
    return 1;
}

/// To the mark of its end.
int KeyReader::read_pasted() {
    std::string text;
    for (char byte = 0; !text.ends_with(kPasteEnds); text += byte)
        if (const int n = read_byte(byte); n <= 0) return n < 0 ? n : 1;
    text.resize(text.size() - kPasteEnds.size());
    for (size_t i = 0; i < text.size(); ++i) {  // terminals send the Enter key for the end of a line
        if (text[i] != '\r') text_ += text[i];
        if (text[i] == '\r') text_ += '\n', i += text.substr(i + 1, 1) == "\n" ? 1 : 0;
    }
    text_ = characters_of(text_);
    while (text_.ends_with('\n')) text_.pop_back();
    return give({kInsert}), 1;
}

}  // namespace ql::cli
#endif
