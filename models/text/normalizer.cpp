#include "models/text/normalizer.hpp"

#include "models/base/utf8.hpp"
#include "models/text/compose.hpp"
#include "models/text/normalizer_steps.hpp"

namespace ql {
namespace {

using Compose = std::vector<SourceCharacter> (*)(const std::vector<SourceCharacter> &);

void prepend(NormalizedText & text, const std::string & content) {
    text.text.insert(0, content);
    text.ends.insert(text.ends.begin(), content.size(), 0);
}

void replace(NormalizedText & text, const std::string & pattern, const std::string & content) {
    NormalizedText out;
    out.begin = text.begin;
    const auto copy = [&](size_t begin, size_t end) {
        out.text.append(text.text, begin, end - begin);
        out.ends.insert(out.ends.end(), text.ends.begin() + static_cast<ptrdiff_t>(begin),
                        text.ends.begin() + static_cast<ptrdiff_t>(end));
    };
    size_t at = 0;
    for (size_t found; (found = text.text.find(pattern, at)) != std::string::npos; at = found + pattern.size()) {
        copy(at, found);
        out.text.append(content);
        if (out.text.empty()) out.begin = text.ends[found + pattern.size() - 1];
        out.ends.insert(out.ends.end(), content.size(), text.ends[found + pattern.size() - 1]);
    }
    if (at == 0) return;
    copy(at, text.text.size());
    text = std::move(out);
}

void strip(NormalizedText & text, bool left, bool right) {
    const size_t tail = right ? white_space_at_end(text.text) : 0;
    text.text.resize(text.text.size() - tail);
    const size_t head = left ? white_space_at_begin(text.text) : 0;
    if (head > 0) text.begin = text.ends[head - 1];
    text.text.erase(0, head);
    text.ends.erase(text.ends.begin(), text.ends.begin() + static_cast<ptrdiff_t>(head));
    text.ends.resize(text.text.size());
}

/// By `form`, which changes nothing below a character. Malformed bytes stay as they are: numbers past Unicode, which compose
/// with nothing.
void compose_text(NormalizedText & text, Compose form, uint32_t first_changed) {
    constexpr uint32_t kMalformed = 0x110000;
    std::vector<SourceCharacter> characters;
    bool composed = true;
    for (size_t i = 0; i < text.text.size();) {
        const Utf8Unit unit = next_utf8(std::string_view(text.text).substr(i));
        const bool complete = unit.kind == Utf8Unit::kComplete;
        const uint32_t code_point = complete ? unit.code_point : kMalformed + static_cast<unsigned char>(text.text[i]);
        i += complete ? unit.size : 1;
        characters.push_back({code_point, text.ends[i - 1]});
        composed = composed && (code_point < first_changed || !complete);
    }
    if (composed) return;
    text.text.clear();
    text.ends.clear();
    for (const SourceCharacter & c : form(characters)) {
        if (c.code_point >= kMalformed) {
            text.text.push_back(static_cast<char>(c.code_point - kMalformed));
        } else {
            append_utf8(text.text, c.code_point);
        }
        text.ends.resize(text.text.size(), c.end);
    }
}

void apply(const NormalizerStep & step, TextStart start, bool was_empty, NormalizedText & text) {
    using Kind = NormalizerStep::Kind;
    const bool goes_on = start == TextStart::kGoesOn;
    switch (step.kind) {
        case Kind::kPrepend:
            if (!goes_on && !text.text.empty()) prepend(text, step.content);
            break;
        case Kind::kPrependFirst:
            if (start != TextStart::kOfAll) break;
            [[fallthrough]];
        case Kind::kPrependMissing:
            if (!goes_on && !text.text.starts_with(step.content)) prepend(text, step.content);
            break;
        case Kind::kReplace:
            replace(text, step.pattern, step.content);
            break;
        case Kind::kStrip:
            strip(text, step.left, step.right);
            break;
        case Kind::kCompose:
            compose_text(text, compose, kFirstCombining);
            break;
        case Kind::kComposeCompatible:
            compose_text(text, compose_compatible, kFirstCompatible);
            break;
        case Kind::kReplaceMatches:
            replace_matches(text, *step.expression, step.content);
            break;
        case Kind::kMapGraphemes:
            map_graphemes(text, *step.map);
            break;
        case Kind::kMapPrefixes:
            map_prefixes(text, *step.map);
            break;
        case Kind::kSpaces:
            write_spaces(text, step.left && !goes_on && !was_empty, step.right, goes_on);
            break;
        case Kind::kWords:
            write_words(text, step.left && !goes_on);
            break;
    }
}

}  // namespace

NormalizedText normalize(const std::vector<NormalizerStep> & steps, std::string_view text, TextStart start) {
    NormalizedText out{std::string(text), 0, std::vector<size_t>(text.size())};
    for (size_t i = 0; i < text.size(); i++) out.ends[i] = i + 1;
    for (const NormalizerStep & step : steps) apply(step, start, text.empty(), out);
    return out;
}

}  // namespace ql
