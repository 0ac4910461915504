// Normalizers change a text before it becomes tokens: they put a space before it, write U+2581 for spaces, and the
// like. Every byte of the result knows where in the original its character ends, so that tokens can say what they are.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/text/charsmap.hpp"
#include "models/text/text_pattern.hpp"

namespace ql {

struct NormalizerStep {
    enum class Kind {
        kPrepend,            // `content` before a text that is not empty
        kPrependMissing,     // the same, unless it begins with that already
        kPrependFirst,       // the same, at the very beginning of the original alone
        kReplace,            // each `pattern` by `content`, from left to right
        kStrip,              // white space at the ends
        kCompose,            // Unicode's normalization form C
        kComposeCompatible,  // form KC: characters that are others in another look become those
        kReplaceMatches,     // each match of `expression` by `content`
        kMapGraphemes,  // as `tokenizers` uses a charsmap: of what a reader takes for one character, all bytes by the
                        // shortest entry; of a longer or an unknown one each code point by its own
        kMapPrefixes,   // as SentencePiece does: the longest entry at each place
        kSpaces,        // SentencePiece's: U+2581 for spaces; left: before the text, too; right: runs become one, and
                        // none stays at the ends
        kWords,         // runs of white space between words become one U+2581; left: before the first word, too
    };
    Kind kind;
    std::string pattern, content;
    bool left = false, right = false;                    // of kStrip, kSpaces, kWords
    std::shared_ptr<const TextPattern> expression = {};  // copies of a vocabulary share it, as it does not change
    std::shared_ptr<const Charsmap> map = {};
    std::string regex = {};  // of kReplaceMatches, as the file has it
};

struct NormalizedText {
    std::string text;
    size_t begin = 0;          // of the first byte: where in the original it comes from
    std::vector<size_t> ends;  // of each byte: the offset in the original where what it comes from ends
};

/// Where a text without special tokens starts. It tells what may be put before it.
enum class TextStart {
    kOfAll,          // at the beginning of the original
    kBehindSpecial,  // after a special token
    kGoesOn,         // after plain text that it continues: nothing is put before it
};

/// How SentencePiece prepares a text: its charsmap (none if empty), then its spaces.
/// errors  QL_BAD_FILE: "precompiled_charsmap: what"
Result<std::vector<NormalizerStep>> sentence_piece_steps(std::string_view charsmap, bool space_before,
                                                         bool merges_spaces);

NormalizedText normalize(const std::vector<NormalizerStep> & steps, std::string_view text,
                         TextStart start = TextStart::kBehindSpecial);

}  // namespace ql
