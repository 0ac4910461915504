// Decompose, put combining marks in order, compose again. Syllables of Hangul are computed, all else is in tables.
#include "models/text/compose.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace ql {
namespace {

struct Decomposition {
    uint32_t character, first, second;
    bool composes;
};
struct CombiningRange {
    uint32_t begin, last;
    uint8_t combining_class;
};

/// A character that form KC makes others of: n of kCompatibleParts, from `at` on.
struct Compatible {
    uint32_t character;
    uint16_t at;
    uint8_t n;
};

#include "models/text/compatible_tables.inl"
#include "models/text/compose_tables.inl"

// Hangul: a leading consonant, a vowel, perhaps a trailing consonant.
constexpr uint32_t kSyllables = 0xAC00, kLeading = 0x1100, kVowels = 0x1161, kTrailing = 0x11A7;
constexpr uint32_t kLeadingCount = 19, kVowelCount = 21, kTrailingCount = 28;
constexpr uint32_t kSyllableCount = kLeadingCount * kVowelCount * kTrailingCount;

const Decomposition * find_decomposition(uint32_t c) {
    const auto * const found =
        std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), c,
                         [](const Decomposition & row, uint32_t value) { return row.character < value; });
    return found == std::end(kDecompositions) || found->character != c ? nullptr : found;
}

const Compatible * find_compatible(uint32_t c) {
    const auto * const found =
        std::lower_bound(std::begin(kCompatible), std::end(kCompatible), c,
                         [](const Compatible & row, uint32_t value) { return row.character < value; });
    return found == std::end(kCompatible) || found->character != c ? nullptr : found;
}

uint8_t combining_class(uint32_t c) {
    if (c < kFirstCombining) return 0;
    const auto * const found =
        std::lower_bound(std::begin(kCombining), std::end(kCombining), c,
                         [](const CombiningRange & row, uint32_t value) { return row.last < value; });
    return found == std::end(kCombining) || c < found->begin ? 0 : found->combining_class;
}

/// The character that two compose to, 0 for none.
uint32_t compose_pair(uint32_t first, uint32_t second) {
    static const auto pairs = [] {
        std::unordered_map<uint64_t, uint32_t> map;
        for (const Decomposition & row : kDecompositions) {
            if (row.composes) map.emplace(uint64_t{row.first} << 32 | row.second, row.character);
        }
        return map;
    }();
    if (first - kLeading < kLeadingCount && second - kVowels < kVowelCount)
        return kSyllables + ((first - kLeading) * kVowelCount + second - kVowels) * kTrailingCount;
    const uint32_t syllable = first - kSyllables;
    if (syllable < kSyllableCount && syllable % kTrailingCount == 0 && second > kTrailing &&
        second < kTrailing + kTrailingCount)
        return first + second - kTrailing;
    const auto found = pairs.find(uint64_t{first} << 32 | second);
    return found == pairs.end() ? 0 : found->second;
}

void decompose(SourceCharacter c, std::vector<SourceCharacter> & out) {
    const uint32_t syllable = c.code_point - kSyllables;
    if (syllable < kSyllableCount) {
        out.push_back({kLeading + syllable / (kVowelCount * kTrailingCount), c.end});
        out.push_back({kVowels + syllable / kTrailingCount % kVowelCount, c.end});
        if (syllable % kTrailingCount != 0) out.push_back({kTrailing + syllable % kTrailingCount, c.end});
    } else if (const Decomposition * row = find_decomposition(c.code_point)) {
        decompose({row->first, c.end}, out);  // at most three steps deep
        if (row->second != 0) out.push_back({row->second, c.end});
    } else {
        out.push_back(c);
    }
}

void order_marks(std::vector<SourceCharacter> & characters) {
    const auto is_mark = [](const SourceCharacter & c) { return combining_class(c.code_point) != 0; };
    for (auto at = characters.begin(); at != characters.end();) {
        const auto begin = std::find_if(at, characters.end(), is_mark);
        at = std::find_if_not(begin, characters.end(), is_mark);
        std::stable_sort(begin, at, [](const SourceCharacter & a, const SourceCharacter & b) {
            return combining_class(a.code_point) < combining_class(b.code_point);
        });
    }
}

/// Parts that are decomposed, composed.
std::vector<SourceCharacter> compose_parts(std::vector<SourceCharacter> parts) {
    std::vector<SourceCharacter> out;
    order_marks(parts);
    size_t starter = SIZE_MAX;  // in `out`: what the next characters may join
    int last_class = -1;        // of what stands after it; -1: nothing does
    for (const SourceCharacter & c : parts) {
        const int mark = combining_class(c.code_point);
        const uint32_t joined =
            starter != SIZE_MAX && last_class < mark ? compose_pair(out[starter].code_point, c.code_point) : 0;
        if (joined != 0) {
            out[starter] = {joined, std::max(out[starter].end, c.end)};
            continue;
        }
        out.push_back(c);
        if (mark == 0) {
            starter = out.size() - 1;
            last_class = -1;
        } else {
            last_class = mark;
        }
    }
    for (size_t i = 1; i < out.size(); i++) out[i].end = std::max(out[i].end, out[i - 1].end);
    return out;
}

}  // namespace

std::vector<SourceCharacter> compose(const std::vector<SourceCharacter> & characters) {
    std::vector<SourceCharacter> parts;
    parts.reserve(characters.size());
    for (const SourceCharacter & c : characters) decompose(c, parts);
    return compose_parts(std::move(parts));
}

std::vector<SourceCharacter> compose_compatible(const std::vector<SourceCharacter> & characters) {
    std::vector<SourceCharacter> parts;
    parts.reserve(characters.size());
    for (const SourceCharacter & c : characters) {
        const Compatible * const row = find_compatible(c.code_point);
        if (!row) decompose(c, parts);
        for (int i = 0; row && i < row->n; ++i) parts.push_back({kCompatibleParts[row->at + i], c.end});
    }
    return compose_parts(std::move(parts));
}

}  // namespace ql
