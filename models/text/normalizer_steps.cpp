#include "models/text/normalizer_steps.hpp"

#include "models/base/utf8.hpp"

namespace ql {

namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581
/// Unicode's White_Space, which PCRE2's \s has more than.
constexpr const char * kWhiteSpace =
    "[\\x09-\\x0D \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}]+";

/// A text made of another from left to right.
class Rewriter {
  public:
    explicit Rewriter(const NormalizedText & from) : from_(from) { out_.begin = from.begin; }
    void copy(size_t begin, size_t end) {
        out_.text.append(from_.text, begin, end - begin);
        out_.ends.insert(out_.ends.end(), from_.ends.begin() + static_cast<ptrdiff_t>(begin),
                         from_.ends.begin() + static_cast<ptrdiff_t>(end));
    }
    /// `with` in the place of bytes that end at `end`.
    void put(std::string_view with, size_t end) {
        out_.text.append(with);
        out_.ends.resize(out_.text.size(), end == 0 ? 0 : from_.ends[end - 1]);
    }
    void drop_last(size_t size) {
        out_.text.resize(out_.text.size() - size);
        out_.ends.resize(out_.text.size());
    }
    /// The bytes up to `end` leave nothing at the beginning.
    void skip_begin(size_t end) {
        if (end > 0) out_.begin = from_.ends[end - 1];
    }
    const std::string & text() const { return out_.text; }
    NormalizedText take() { return std::move(out_); }

  private:
    const NormalizedText & from_;
    NormalizedText out_;
};

/// Calls visit(begin, end, true) for each match in the well-formed stretches of a text, and with false for the rest.
template <typename Visit>
void each_match(std::string_view text, const TextPattern & expression, const Visit & visit) {
    TextPattern::State state;
    for (size_t at = 0; at < text.size();) {
        size_t end = at;
        while (end < text.size()) {
            const Utf8Unit unit = next_utf8(text.substr(end));
            if (unit.kind != Utf8Unit::kComplete) break;
            end += unit.size;
        }
        const std::string_view part = text.substr(at, end - at);
        size_t done = 0;
        TextPattern::Match match{};
        while (done < part.size() && expression.find(part, done, state, match) && match.end > match.begin) {
            if (match.begin > done) visit(at + done, at + match.begin, false);
            visit(at + match.begin, at + match.end, true);
            done = match.end;
        }
        if (done < part.size()) visit(at + done, end, false);
        if (end < text.size()) visit(end, end + 1, false), ++end;  // a malformed byte
        at = end;
    }
}

const TextPattern & grapheme() {
    static const TextPattern pattern = TextPattern::compile("\\X").value();
    return pattern;
}

}  // namespace

void replace_matches(NormalizedText & text, const TextPattern & expression, const std::string & content) {
    Rewriter out(text);
    each_match(text.text, expression, [&](size_t begin, size_t end, bool matches) {
        if (matches)
            out.put(content, end);
        else
            out.copy(begin, end);
        if (out.text().empty()) out.skip_begin(end);
    });
    text = out.take();
}

void map_graphemes(NormalizedText & text, const Charsmap & map) {
    constexpr size_t kLongest = 6;  // bytes: longer ones are never looked up whole
    const std::string_view whole = text.text;
    Rewriter out(text);
    each_match(whole, grapheme(), [&](size_t begin, size_t end, bool) {
        const auto entry = end - begin < kLongest ? map.shortest(whole.substr(begin, end - begin)) : std::nullopt;
        if (entry) return out.put(entry->with, end);
        for (size_t at = begin, size = 0; at < end; at += size) {
            size = character_size(whole.substr(at, end - at));
            if (const auto own = map.shortest(whole.substr(at, size)))
                out.put(own->with, at + size);
            else
                out.copy(at, at + size);
        }
    });
    text = out.take();
}

void map_prefixes(NormalizedText & text, const Charsmap & map) {
    const std::string_view whole = text.text;
    Rewriter out(text);
    for (size_t at = 0, size = 0; at < whole.size(); at += size) {
        if (const auto entry = map.longest(whole.substr(at))) {
            size = entry->size;
            out.put(entry->with, at + size);
        } else {
            size = character_size(whole.substr(at));
            out.copy(at, at + size);
        }
    }
    text = out.take();
}

void write_spaces(NormalizedText & text, bool before, bool merge, bool goes_on) {
    const std::string & from = text.text;
    Rewriter out(text);
    size_t at = 0;
    if (merge && !goes_on) {
        while (at < from.size() && from[at] == ' ') ++at;
        out.skip_begin(at);
    }
    if (before && (at < from.size() || !merge)) out.put(kSpace, at);
    bool space = false;
    for (; at < from.size(); ++at) {
        const bool is_space = from[at] == ' ';
        if (!is_space) out.copy(at, at + 1);
        if (is_space && !(merge && space)) out.put(kSpace, at + 1);
        space = is_space;
    }
    while (merge && out.text().ends_with(kSpace)) out.drop_last(kSpace.size());
    text = out.take();
}

void write_words(NormalizedText & text, bool before) {
    static const TextPattern pattern = TextPattern::compile(kWhiteSpace).value();
    Rewriter out(text);
    bool space = before;
    each_match(text.text, pattern, [&](size_t begin, size_t end, bool matches) {
        if (matches) {
            space = true;
            return;
        }
        if (space && !std::string_view(text.text).substr(begin).starts_with(kSpace)) out.put(kSpace, begin);
        if (out.text().empty()) out.skip_begin(begin);
        out.copy(begin, end);
        space = false;
    });
    text = out.take();
}

Result<std::vector<NormalizerStep>> sentence_piece_steps(std::string_view charsmap, bool space_before,
                                                         bool merges_spaces) {
    std::vector<NormalizerStep> steps;
    if (!charsmap.empty()) {
        QL_ASSIGN(Charsmap map, Charsmap::read(charsmap));
        NormalizerStep step{};
        step.kind = NormalizerStep::Kind::kMapPrefixes;
        step.map = std::make_shared<const Charsmap>(std::move(map));
        steps.push_back(std::move(step));
    }
    NormalizerStep spaces{};
    spaces.kind = NormalizerStep::Kind::kSpaces;
    spaces.left = space_before;
    spaces.right = merges_spaces;
    steps.push_back(std::move(spaces));
    return steps;
}

}  // namespace ql
