// Well-formed and malformed UTF-8, and the stream that holds incomplete characters back.
#include "models/base/utf8.hpp"

#include <gtest/gtest.h>

namespace ql::test {
namespace {

TEST(Utf8, AcceptsEveryCodePointAndNoSurrogate) {
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 37) {
        std::string text;
        append_utf8(text, c);
        const Utf8Unit unit = next_utf8(text);
        if (c >= 0xD800 && c < 0xE000) {
            ASSERT_EQ(unit.kind, Utf8Unit::kMalformed) << c;
        } else {
            ASSERT_EQ(unit.kind, Utf8Unit::kComplete) << c;
            ASSERT_EQ(unit.code_point, c);
            ASSERT_EQ(unit.size, text.size());
        }
    }
}

TEST(Utf8, RejectsOverlongAndTooLargeForms) {
    for (const char * text :
         {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5", "\xFF"}) {
        EXPECT_EQ(next_utf8(text).kind, Utf8Unit::kMalformed);
        EXPECT_FALSE(is_well_formed_utf8(text));
    }
    EXPECT_EQ(mask_malformed_utf8("a\xC3\xA4\xC3z\xE2\x82"), "a\xC3\xA4\x01z\x01\x01");
}

TEST(Utf8Stream, HoldsIncompleteCharactersBack) {
    Utf8Stream stream;
    EXPECT_EQ(stream.push("a\xF0\x9F"), "a");
    EXPECT_EQ(stream.push("\x98"), "");
    EXPECT_EQ(stream.push("\x80z"), "\xF0\x9F\x98\x80z");
    EXPECT_EQ(stream.flush(), "");
}

TEST(Utf8Stream, ReplacesWhatWillNeverBeACharacter) {
    Utf8Stream stream;
    EXPECT_EQ(stream.push("\xFFx\xE2\x82y"), "\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBDy");
    EXPECT_EQ(stream.push("\xE2"), "");
    EXPECT_EQ(stream.flush(), "\xEF\xBF\xBD");
    EXPECT_EQ(stream.flush(), "");
}

}  // namespace
}  // namespace ql::test
