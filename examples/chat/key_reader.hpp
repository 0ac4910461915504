// Keys of a terminal as libedit reads them: whole escape sequences, of which those without a meaning here are passed over,
// and pasted text in one piece.
#pragma once
#ifdef QL_LIBEDIT
#include <histedit.h>

#include <cwchar>
#include <deque>
#include <string>

namespace ql::cli {

class KeyReader {
  public:
    explicit KeyReader(std::string & prompt) : prompt_(prompt) {}
    KeyReader(const KeyReader &) = delete;
    KeyReader & operator=(const KeyReader &) = delete;

    /// Makes the editor show the prompt and read through this object, which it then holds as its client data.
    void attach(EditLine * editor);
    /// Asks the terminal to mark what is pasted (on), so that the ends of lines in it are not taken for Enter.
    static void mark_pasted(bool on);
    /// Before each line. A Ctrl-D that the terminal itself has taken, just before the editor took the keys over, is a line of
    /// no bytes, which the change turns into a NUL: one that waits at the beginning of a line ends the input.
    void begin_line() { begins_line_ = true; }

  private:
    static KeyReader & of(EditLine * editor);
    static char * show_prompt(EditLine * editor);
    static int read_character(EditLine * editor, wchar_t * character);
    static unsigned char insert_text(EditLine * editor, int key);
    /// What libedit's EL_GETCFN returns. A signal to stop ends the wait.
    int read(wchar_t * character);
    /// 1, 0 at the end or, with a limit of time, when nothing came; -1.
    int read_byte(char & byte, int milliseconds = -1);
    int read_escape();
    int read_pasted();
    void give(const std::string & keys) { given_.insert(given_.end(), keys.begin(), keys.end()); }

    std::string & prompt_;
    bool begins_line_ = false;
    std::deque<char> given_;  // bytes that come before those of the terminal
    std::string text_;        // that was pasted, or a line's end by Alt-Enter: insert_text puts it into the line
};

}  // namespace ql::cli
#endif
