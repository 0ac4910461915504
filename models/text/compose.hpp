// Unicode's normalization form C: what can be written as one character is. In form KC characters that are others in another
// look, such as ligatures, small and wide ones, become those first (The Unicode Standard, section 3.11).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ql {

struct SourceCharacter {
    uint32_t code_point;
    size_t end;  // in the original: where what it comes from ends
};

/// A text that has only characters below this one is composed already.
constexpr uint32_t kFirstCombining = 0x300;

/// The first character that form KC changes.
constexpr uint32_t kFirstCompatible = 0xA0;

std::vector<SourceCharacter> compose(const std::vector<SourceCharacter> & characters);
std::vector<SourceCharacter> compose_compatible(const std::vector<SourceCharacter> & characters);

}  // namespace ql
