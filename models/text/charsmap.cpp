#include "models/text/charsmap.hpp"

#include <cstring>

namespace ql {

namespace {

constexpr size_t kMaxText = 64;  // the longest replacement of NFKC has 33 bytes
constexpr size_t kMaxKey = 64;   // the longest sequence that is replaced; a hostile trie leads in a circle

// The fields of a unit, after Darts-clone (Yata 2011).
uint32_t label_of(uint32_t unit) {
    return unit & ((1u << 31) | 0xFF);
}
uint32_t value_of(uint32_t unit) {
    return unit & ((1u << 31) - 1);
}
size_t offset_of(uint32_t unit) {
    return size_t{unit >> 10} << ((unit & (1u << 9)) >> 6);
}
bool has_leaf(uint32_t unit) {
    return ((unit >> 8) & 1) != 0;
}

Status check_texts(std::string_view texts) {
    for (size_t at = 0; at < texts.size();) {
        const size_t end = texts.find('\0', at);
        if (end == texts.npos) return error(QL_BAD_FILE, "precompiled_charsmap: its last text has no end");
        if (end - at > kMaxText) return error(QL_BAD_FILE, "precompiled_charsmap: a text of %zu bytes", end - at);
        at = end + 1;
    }
    return {};
}

}  // namespace

Result<Charsmap> Charsmap::read(std::string_view bytes) {
    uint32_t size = 0;
    if (bytes.size() < sizeof size) return error(QL_BAD_FILE, "precompiled_charsmap: %zu bytes", bytes.size());
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes.remove_prefix(sizeof size);
    if (size == 0 || size % sizeof(uint32_t) != 0 || size > bytes.size())
        return error(QL_BAD_FILE, "precompiled_charsmap: a trie of %u bytes, of %zu", size, bytes.size());
    Charsmap map;
    map.trie_.resize(size / sizeof(uint32_t));
    std::memcpy(map.trie_.data(), bytes.data(), size);
    map.texts_ = bytes.substr(size);
    QL_TRY(check_texts(map.texts_));
    return map;
}

std::string Charsmap::bytes() const {
    const auto size = static_cast<uint32_t>(trie_.size() * sizeof(uint32_t));
    std::string bytes(sizeof size + size, '\0');
    std::memcpy(bytes.data(), &size, sizeof size);
    std::memcpy(bytes.data() + sizeof size, trie_.data(), size);
    return bytes + texts_;
}

std::optional<uint32_t> Charsmap::unit(size_t at) const {
    return at < trie_.size() ? std::optional(trie_[at]) : std::nullopt;
}

std::optional<Charsmap::Entry> Charsmap::find(std::string_view text, bool first) const {
    std::optional<Entry> found;
    size_t node = offset_of(trie_[0]);
    text = text.substr(0, kMaxKey);
    for (size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = unit(node ^ byte);
        if (!next || label_of(*next) != byte) break;
        node = node ^ byte ^ offset_of(*next);
        if (!has_leaf(*next)) continue;
        const auto leaf = unit(node);
        if (!leaf || value_of(*leaf) >= texts_.size()) break;
        found = Entry{i + 1, texts_.c_str() + value_of(*leaf)};
        if (first) break;
    }
    return found;
}

Result<std::string> read_base64(std::string_view text) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    while (text.ends_with('=')) text.remove_suffix(1);
    std::string out;
    uint32_t bits = 0;
    int n_bits = 0;
    for (const char c : text) {
        const size_t digit = kDigits.find(c);
        if (digit == kDigits.npos) return error(QL_BAD_FILE, "'%c' is no digit of base64", c < 0x20 ? '?' : c);
        bits = bits << 6 | static_cast<uint32_t>(digit);
        n_bits += 6;
        if (n_bits < 8) continue;
        n_bits -= 8;
        out.push_back(static_cast<char>(bits >> n_bits & 0xFF));
    }
    return out;
}

}  // namespace ql
