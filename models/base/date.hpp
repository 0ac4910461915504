// The day that a chat template is told. Months and weekdays are English whatever the host's locale, as models are
// trained on one spelling of them.
#pragma once
#include <string>
#include <string_view>

#include "ql/status.hpp"

namespace ql {

/// A day of the Gregorian calendar, of the years 1 to 9999.
struct Date {
    int year = 0, month = 0, day = 0;
};

/// Ten characters, "2024-07-26".     errors  QL_INVALID_ARGUMENT: another form, or a day that its month does not have
Result<Date> read_date(std::string_view text);
std::string date_text(const Date & date);
/// Today where this machine is.      errors  QL_INTERNAL: its clock cannot be read as a day
Result<Date> today();

/// The date as strftime would print it, at midnight.   errors  QL_UNSUPPORTED: a code of the pattern that is not known
Result<std::string> format_date(const Date & date, std::string_view pattern);

}  // namespace ql
