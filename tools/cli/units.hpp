// Sizes, times and counts as people read them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace ql::cli {

/// "638 KiB", "1.25 GiB".
std::string print_size(uint64_t bytes);
/// Bytes of "300MiB", "1.5 GB", "6G" (2^30) or a plain number; nullopt: it is none of these, or 0.
std::optional<uint64_t> parse_size(const std::string & text);
/// "8 s", "3:20", "1:02:03".
std::string print_time(double seconds);
/// The same with a decimal below ten seconds, in milliseconds below a tenth of one: for what is measured once.
std::string print_duration(double seconds);
/// "41,700".
std::string print_count(int64_t n);
/// A number with so many digits behind the point, "-" if it is not finite.
std::string print_number(double value, int digits);

}  // namespace ql::cli
