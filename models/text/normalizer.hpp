// Normalizers change a text before it becomes tokens: they put a space before it, write U+2581 for spaces, and the
// like. Every byte of the result knows where in the original its character ends, so that tokens can say what they are.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ql {

struct NormalizerStep {
    enum class Kind {
        kPrepend,         // `content` before a text that is not empty
        kPrependMissing,  // the same, unless it begins with that already
        kPrependFirst,    // the same, at the very beginning of the original alone
        kReplace,         // each `pattern` by `content`, from left to right
        kStrip,           // white space at the ends
        kCompose,         // Unicode's normalization form C
    };
    Kind kind;
    std::string pattern, content;
    bool left = false, right = false;  // of kStrip
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

NormalizedText normalize(const std::vector<NormalizerStep> & steps, std::string_view text,
                         TextStart start = TextStart::kBehindSpecial);

}  // namespace ql
