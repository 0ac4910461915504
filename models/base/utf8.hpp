// UTF-8 one sequence at a time. Text comes from anywhere, so malformed bytes are a case of their own, never a failure:
// tokenizers keep them byte by byte, and what is shown to people gets U+FFFD in their place.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ql {

struct Utf8Unit {
    enum Kind { kComplete, kIncomplete, kMalformed };
    Kind kind = kMalformed;
    size_t size = 0;          // bytes: the whole sequence, what there is of it (kIncomplete), or 1 (kMalformed)
    uint32_t code_point = 0;  // of a complete sequence
};

/// The sequence at the start of text, which is not empty. kIncomplete: text ends inside a so far well-formed sequence.
Utf8Unit next_utf8(std::string_view text);
/// Bytes of the character at the start of text, which is not empty; 1 where there is no whole one.
size_t character_size(std::string_view text);

void append_utf8(std::string & text, uint32_t code_point);

bool is_well_formed_utf8(std::string_view text);

/// Unicode's White_Space: 25 characters.
bool is_white_space(uint32_t code_point);
/// How many bytes of white space a text begins with, and how many it ends with.
size_t white_space_at_begin(std::string_view text);
size_t white_space_at_end(std::string_view text);

/// The sequence at the end of text, which is not empty; one malformed byte where there is none.
Utf8Unit last_utf8(std::string_view text);

/// The text with every malformed byte replaced by one byte 0x01: offsets stay, and 0x01 has the class of U+FFFD in
/// all pre-tokenizer patterns (no letter, no number, no white space).
std::string mask_malformed_utf8(std::string_view text);

/// Turns pieces of tokens, which may end inside a character, into well-formed UTF-8 as soon as that is possible.
class Utf8Stream {
  public:
    /// The characters that these bytes complete; malformed bytes become U+FFFD.
    std::string push(std::string_view bytes);
    /// The end of the stream: U+FFFD if it broke off inside a character, else nothing.
    std::string flush();

  private:
    std::string pending_;  // at most 3 bytes of an incomplete sequence
};

}  // namespace ql
