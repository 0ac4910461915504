// The steps of Unigram tokenizers' normalizers, each over a text that knows where its bytes come from.
#pragma once
#include "models/text/normalizer.hpp"

namespace ql {

void replace_matches(NormalizedText & text, const TextPattern & expression, const std::string & content);
void map_graphemes(NormalizedText & text, const Charsmap & map);
void map_prefixes(NormalizedText & text, const Charsmap & map);
/// `goes_on`: the text follows another, so a space at its beginning stays.
void write_spaces(NormalizedText & text, bool before, bool merge, bool goes_on);
void write_words(NormalizedText & text, bool before);

}  // namespace ql
