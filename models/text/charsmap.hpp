// SentencePiece's precompiled_charsmap: which characters a text has replaced before it becomes tokens (NFKC and the
// like). The file's form: the size of a trie in bytes, the trie as a double array of 32-bit units, and the texts that it
// leads to, each with a zero after it. All numbers little-endian.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ql/status.hpp"

namespace ql {

class Charsmap {
  public:
    /// errors  QL_BAD_FILE: too short, or a text in it longer than any normalization form has
    static Result<Charsmap> read(std::string_view bytes);

    /// The file's form again.
    std::string bytes() const;

    struct Entry {
        size_t size = 0;  // bytes of the text that are replaced
        std::string_view with;
    };
    /// The shortest, and the longest, entry that the text begins with, of those of up to 64 bytes.
    std::optional<Entry> shortest(std::string_view text) const { return find(text, true); }
    std::optional<Entry> longest(std::string_view text) const { return find(text, false); }

  private:
    std::optional<Entry> find(std::string_view text, bool first) const;
    std::optional<uint32_t> unit(size_t at) const;
    std::vector<uint32_t> trie_;
    std::string texts_;
};

/// The bytes of base64. errors  QL_BAD_FILE
Result<std::string> read_base64(std::string_view text);

}  // namespace ql
