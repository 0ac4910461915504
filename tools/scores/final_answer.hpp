// The answer at the end of a text that reasons its way there, as in GSM8K: behind a marker, or else the last number.
//
// A number is of ASCII's digits, with commas between thousands, a decimal part behind a point, and a minus right in front.
#pragma once
#include <string>
#include <string_view>

namespace ql::cli {

inline constexpr const char * kFinalMarker = "####";

class FinalAnswer {
  public:
    explicit FinalAnswer(std::string marker) : marker_(std::move(marker)) {}

    /// Behind the last marker the first line that is not blank, trimmed, without the commas of thousands; in a text without
    /// the marker its last number. "" where there is neither.
    std::string of(std::string_view text) const;
    /// Whether both texts have the same one. Where that of `wanted` is a number, the first one behind the marker of `got`
    /// counts: "72" is found in "$72." and in "72 apples".
    bool agrees(std::string_view wanted, std::string_view got) const;

  private:
    /// What of() takes from behind the marker, with all commas; false: no marker.
    bool find_line(std::string_view text, std::string_view & line) const;
    std::string marker_;
};

}  // namespace ql::cli
