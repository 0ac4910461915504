// Both directions of the byte-level alphabet, from one table made at compile time.
#include "models/text/byte_level.hpp"

#include <array>

#include "models/base/utf8.hpp"

namespace ql {
namespace {

constexpr uint32_t kAlphabetEnd = 0x100 + 68;  // one past the last character

constexpr bool stands_for_itself(uint32_t byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
    std::array<uint32_t, 256> character{};
    std::array<int, kAlphabetEnd> byte{};
};

constexpr Alphabet make_alphabet() {
    Alphabet alphabet;
    for (int & byte : alphabet.byte) byte = -1;
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; byte++) {
        alphabet.character[byte] = stands_for_itself(byte) ? byte : next++;
        alphabet.byte[alphabet.character[byte]] = static_cast<int>(byte);
    }
    return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::optional<std::string> byte_level_decode(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    while (!text.empty()) {
        const Utf8Unit unit = next_utf8(text);
        if (unit.kind != Utf8Unit::kComplete || unit.code_point >= kAlphabetEnd) return std::nullopt;
        const int byte = kAlphabet.byte[unit.code_point];
        if (byte < 0) return std::nullopt;
        bytes.push_back(static_cast<char>(byte));
        text.remove_prefix(unit.size);
    }
    return bytes;
}

std::string byte_level_encode(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) append_utf8(text, kAlphabet.character[static_cast<unsigned char>(byte)]);
    return text;
}

}  // namespace ql
