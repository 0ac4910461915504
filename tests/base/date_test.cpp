// Dates: which texts are dates, and how a template prints them.
#include <gtest/gtest.h>

#include <clocale>
#include <ctime>

#include "models/base/date.hpp"

namespace ql {
namespace {

std::string printed(const char * date, const char * pattern) {
    const auto read = read_date(date);
    if (!read.ok()) return read.message();
    const auto text = format_date(*read, pattern);
    return text.ok() ? *text : text.message();
}

TEST(Date, IsADayOfTheCalendarInOneForm) {
    for (const char * day : {"2024-07-26", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"})
        EXPECT_EQ(printed(day, "%F"), day);
    for (const char * text : {"",
                              "today",
                              "2025-02-30",
                              "2025-02-29",
                              "1900-02-29",
                              "2025-13-01",
                              "2025-00-01",
                              "2025-01-00",
                              "2025-01-32",
                              "0000-01-01",
                              "25-1-1",
                              "2025-1-01",
                              "2025-01-01 ",
                              " 202-01-01",
                              "+202-01-01",
                              "2025- 1- 1",
                              "2025-01-+1",
                              "2025/01/01",
                              "20250101",
                              "2025-01-01T00:00",
                              "\xd9\xa2\xd9\xa0-01-01"})
        EXPECT_EQ(printed(text, "%F"), "'" + std::string(text) + "' is no date; write YYYY-MM-DD");
}

TEST(Date, IsPrintedAsStrftimePrintsIt) {
    std::setlocale(LC_ALL, "C");
    const char * const pattern = "%a %A %b %B %h %d %-d %e %m %-m %y %Y %j %F %H:%M:%S %I %p %%";
    for (const char * day : {"2024-07-05", "2024-02-29", "1999-12-31", "2000-01-01", "2031-10-09", "1970-03-01"}) {
        std::tm time{};
        ASSERT_TRUE(strptime(day, "%Y-%m-%d", &time));
        char wanted[200];
        ASSERT_GT(std::strftime(wanted, sizeof wanted, pattern, &time), 0u);
        EXPECT_EQ(printed(day, pattern), wanted);
    }
    EXPECT_EQ(printed("2024-07-05", "%Q"), "the date format '%Q' is not supported");
    EXPECT_EQ(printed("2024-07-05", "100%"), "100%");
}

TEST(Date, TodayIsTheDayHere) {
    const auto here = [] {
        const std::time_t now = std::time(nullptr);
        char text[20];
        std::strftime(text, sizeof text, "%Y-%m-%d", std::localtime(&now));
        return std::string(text);
    };
    const std::string before = here();
    const auto day = today();
    ASSERT_TRUE(day.ok()) << day.message();
    const std::string after = here();  // midnight may lie between
    EXPECT_TRUE(date_text(*day) == before || date_text(*day) == after) << date_text(*day);
}

}  // namespace
}  // namespace ql
