// The alphabet of byte-level tokenizers: a printable character for each byte.
#include "models/text/byte_level.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace ql::test {
namespace {

TEST(ByteLevelAlphabet, IsPrintableAndReversible) {
    for (int byte = 0; byte < 256; byte++) {
        const std::string one(1, static_cast<char>(byte));
        EXPECT_EQ(byte_level_decode(byte_level_encode(one)), one);
    }
    EXPECT_EQ(byte_level_encode(" \n~\xAD"), "ĠĊ~Ń");
    EXPECT_EQ(byte_level_decode("a b"), std::nullopt) << "a space is no character of the alphabet";
}

}  // namespace
}  // namespace ql::test
