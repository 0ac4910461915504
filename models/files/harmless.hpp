// The rule for what a file says and nobody reads: it may change what a model computes, so a reader remembers what it
// was asked for and refuses the rest by name, unless it is known to be harmless.
#pragma once
#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

namespace ql {

/// A key that no reader needs: harmless whatever it says, or as long as it says what is done anyway.
struct HarmlessKey {
    const char * key;
    std::optional<double> neutral = {};  // of a number, or of a bool as 0 or 1; nothing: any value is harmless
};

/// Why an unread key is refused: it is unknown, or it has another value than the only one that is supported.
struct UnreadFault {
    std::optional<double> only;
};

/// Nothing for a harmless key. `says(number)`: whether its value is that number.
template <typename Says>
std::optional<UnreadFault> unread_fault(std::span<const HarmlessKey> harmless, std::string_view key,
                                        const Says & says) {
    const auto known =
        std::find_if(harmless.begin(), harmless.end(), [&](const HarmlessKey & h) { return key == h.key; });
    if (known == harmless.end()) return UnreadFault{};
    if (!known->neutral || says(*known->neutral)) return {};
    return UnreadFault{known->neutral};
}

}  // namespace ql
