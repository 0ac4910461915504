// The rule for settings in a file that nobody reads: such a setting may change what a model computes. So a reader
// remembers what it was asked for, and refuses every other setting by name, unless it is known to be harmless.
#pragma once
#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

namespace ql {

/// A key that no reader needs: harmless whatever its value, or as long as its value says what is done anyway.
struct HarmlessKey {
    const char * key;
    std::optional<double> neutral = {};  // of a number, or of a bool as 0 or 1; nothing: any value is harmless
};

/// Why an unread key is refused: it is unknown, or its value is not the only supported one.
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
