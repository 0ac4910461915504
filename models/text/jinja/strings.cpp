// What methods and filters of strings share: replacing, stripping, escaping, changing case.
#include <algorithm>

#include "models/text/jinja/ops.hpp"
#include "models/text/jinja/search.hpp"

namespace ql::jinja {

namespace {

/// Code points of a string, sorted.
Result<std::vector<uint32_t>> character_set(const Text & text, Meter & meter) {
    QL_TRY(meter.charge(text.size(), sizeof(uint32_t)));
    QL_TRY(meter.scan(16 * text.size()));  // sorting
    std::vector<uint32_t> set;
    size_t length = 1;
    for (size_t i = 0; i < text.size(); i += length) set.push_back(utf8_decode(text.view(), i, &length));
    std::sort(set.begin(), set.end());
    return set;
}

/// The first byte of the character that ends before `end`.
size_t character_before(std::string_view text, size_t end) {
    size_t at = end - 1;
    while (at > 0 && end - at < 4 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
    return at + utf8_length(text, at) == end ? at : end - 1;
}

}  // namespace

Result<Value> strip(const Text & text, const Value & characters, bool left, bool right, Meter & meter) {
    QL_TRY(meter.scan(text.size()));
    const std::string_view bytes = text.view();
    if (!characters.is_string()) {
        const size_t begin = left ? skip_space(bytes) : 0;
        return make_part(text, begin, right ? skip_space_back(bytes, begin) : text.size(), meter);
    }
    QL_ASSIGN(const std::vector<uint32_t> set, character_set(characters.text(), meter));
    QL_TRY(meter.scan(4 * text.size()));
    size_t begin = 0, end = text.size(), length = 1;
    const auto in_set = [&](size_t at) {
        return std::binary_search(set.begin(), set.end(), utf8_decode(bytes, at, &length));
    };
    while (left && begin < end && in_set(begin)) begin += length;
    while (right && end > begin) {
        const size_t at = character_before(bytes, end);
        if (!in_set(at)) break;
        end = at;
    }
    return make_part(text, begin, end, meter);
}

Result<Value> replace(const Text & text, const Text & old, const Text & with, int64_t count, Meter & meter) {
    if (old.empty()) return error(QL_UNSUPPORTED, "replacing an empty string is not supported");
    QL_ASSIGN(Search search, Search::make(text.view(), old.view(), meter));
    QL_TRY(meter.charge(sizeof(Text)));
    Text out;
    size_t at = 0, found;
    for (; count != 0 && (found = search.next()) != std::string_view::npos; --count) {
        QL_TRY(meter.step());
        QL_TRY(append(out, text, at, found, meter));
        QL_TRY(append(out, with, meter));
        at = found + old.size();
    }
    QL_TRY(append(out, text, at, text.size(), meter));
    return Value(std::move(out));
}

Result<TextPtr> escape(const TextPtr & text, Meter & meter) {
    if (text->is_safe()) return text;
    constexpr size_t kMost = 5;  // &#39;
    static constexpr std::string_view special = "&<>'\"";
    static constexpr const char * entities[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    const std::string_view bytes = text->view();
    QL_TRY(meter.scan(bytes.size()));
    QL_TRY(meter.charge(bytes.size(), kMost));
    QL_TRY(meter.charge(sizeof(Text)));
    QL_TRY(meter.charge(text->runs().size(), sizeof(Run)));
    Text out;
    for (size_t at = 0; at < bytes.size();) {
        const size_t found = std::min(bytes.find_first_of(special, at), bytes.size());
        out.append(*text, at, found);
        if (found < bytes.size()) out.append_as(entities[special.find(bytes[found])], *text, found);
        at = found + 1;
    }
    meter.refund(bytes.size() * kMost - out.size());
    out.mark_safe();
    return std::make_shared<const Text>(std::move(out));
}

Result<Value> change_case(const Text & text, Case to, Meter & meter) {
    QL_TRY(meter.scan(4 * text.size()));
    QL_TRY(meter.charge(sizeof(Text) + text.size()));
    QL_TRY(meter.charge(text.runs().size(), sizeof(Run)));
    std::string bytes = text.bytes();
    bool in_word = false;
    for (char & c : bytes) {
        if (static_cast<unsigned char>(c) >= 0x80)
            return error(QL_UNSUPPORTED, "changing the case of letters beyond ASCII is not supported");
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool up = to == Case::upper || (to != Case::lower && !in_word);
        if (letter) c = static_cast<char>(up ? c & ~0x20 : c | 0x20);
        in_word = to == Case::words ? std::string_view("-({[< \t\n\v\f\r").find(c) == std::string_view::npos
                                    : to == Case::capitalize || letter;
    }
    return Value(text.with_bytes(std::move(bytes)));
}

}  // namespace ql::jinja
