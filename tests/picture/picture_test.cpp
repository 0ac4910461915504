// Pictures: the same shapes as SVG and as pixels of a PNG, text of any characters among them.
#include "tools/picture/picture.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>

#include "tools/picture/font.hpp"

namespace ql::test {
namespace {

using namespace cli;

constexpr Colour kWhite = {255, 255, 255}, kBlue = {0, 0, 255};

/// The pixels of a PNG file, read by its specification: chunks with right checksums, filter 2 in every row.
struct Pixels {
    int width = 0, height = 0;
    std::string bytes;

    explicit Pixels(const std::string & png) {
        const auto number = [&](size_t at) {
            uint32_t v = 0;
            for (size_t i = 0; i < 4; ++i) v = v << 8 | static_cast<uint8_t>(png.at(at + i));
            return v;
        };
        EXPECT_TRUE(png.starts_with("\x89PNG\r\n\x1a\n"));
        std::string packed;
        for (size_t at = 8; at < png.size(); at += 12 + number(at)) {
            const std::string name = png.substr(at + 4, 4), checked = png.substr(at + 4, 4 + number(at));
            EXPECT_EQ(number(at + 8 + number(at)),
                      crc32(0, reinterpret_cast<const Bytef *>(checked.data()), static_cast<uInt>(checked.size())));
            if (name == "IHDR") width = static_cast<int>(number(at + 8)), height = static_cast<int>(number(at + 12));
            if (name == "IDAT") packed += checked.substr(4);
        }
        const size_t row = 3 * static_cast<size_t>(width);
        std::string rows((row + 1) * static_cast<size_t>(height), '\0');
        auto n = static_cast<uLongf>(rows.size());
        EXPECT_EQ(Z_OK, uncompress(reinterpret_cast<Bytef *>(rows.data()), &n,
                                   reinterpret_cast<const Bytef *>(packed.data()), static_cast<uLong>(packed.size())));
        EXPECT_EQ(n, rows.size());
        for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
            EXPECT_EQ(2, rows[y * (row + 1)]);
            for (size_t i = 0; i < row; ++i)
                bytes += static_cast<char>(rows[y * (row + 1) + 1 + i] + (y > 0 ? bytes[(y - 1) * row + i] : 0));
        }
    }
    Colour at(int x, int y) const {
        const size_t i = 3 * (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x));
        return {static_cast<uint8_t>(bytes[i]), static_cast<uint8_t>(bytes[i + 1]), static_cast<uint8_t>(bytes[i + 2])};
    }
    /// Pixels that are not white.
    int inked() const {
        int n = 0;
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x) n += at(x, y) != kWhite;
        return n;
    }
};

bool has(const std::string & text, const std::string & part) {
    return text.find(part) != text.npos;
}

TEST(Picture, HasTwoPixelsAUnit) {
    Picture p(70, 50, kWhite);  // more rows than a band has
    p.rectangle(10, 10, 20, 40, kBlue);
    const Pixels pixels(p.png());
    EXPECT_EQ(pixels.width, 140);
    EXPECT_EQ(pixels.height, 100);
    EXPECT_EQ(pixels.inked(), 20 * 60);
    EXPECT_EQ(pixels.at(20, 20), kBlue);
    EXPECT_EQ(pixels.at(39, 79), kBlue) << "in the second band";
    EXPECT_EQ(pixels.at(40, 79), kWhite);
    EXPECT_TRUE(has(p.svg(), R"(<rect x="10.0" y="10.0" width="10.0" height="30.0" fill="#0000ff")"));
}

TEST(Picture, LinesHaveTheirThicknessAndNoDarkKnots) {
    Picture p(100, 40, kWhite);
    p.line({{10, 20}, {50, 20}, {50, 20}, {90, 20}}, {4, {0, 0, 0}, 0.5});
    const Pixels pixels(p.png());
    for (int x = 24; x < 176; ++x) EXPECT_EQ(pixels.at(x, 40), (Colour{128, 128, 128})) << x;
    EXPECT_EQ(pixels.at(100, 35), kWhite);
    EXPECT_NE(pixels.at(100, 36), kWhite);
    EXPECT_NE(pixels.at(100, 43), kWhite);
    EXPECT_EQ(pixels.at(100, 44), kWhite);
    EXPECT_TRUE(has(p.svg(), "<path d=\"M10.0 20.0L50.0 20.0L50.0 20.0L90.0 20.0\" fill=\"none\""));
}

TEST(Picture, SteepAndDashedLinesAreWhole) {
    Picture p(40, 200, kWhite);
    p.line({{10, 5}, {30, 195}}, {2, kBlue});
    const Pixels steep(p.png());
    for (int y = 10; y < 390; ++y) EXPECT_NE(steep.at(static_cast<int>(20 + (y - 10) * 40 / 380.0), y), kWhite) << y;
    Picture q(120, 20, kWhite);
    q.line({{10, 10}, {30, 10}, {110, 10}}, {2, kBlue, 1, 10});
    const Pixels dashed(q.png());
    EXPECT_EQ(dashed.at(30, 20), kBlue);
    EXPECT_EQ(dashed.at(50, 20), kWhite) << "a gap, at a corner of the line too";
    EXPECT_EQ(dashed.at(70, 20), kBlue);
    EXPECT_TRUE(has(q.svg(), "stroke-dasharray=\"10.0\""));
}

TEST(Picture, WhatLiesOutsideIsNoFault) {
    Picture p(20, 20, kWhite);
    p.line({{-1e9, -1e9}, {1e9, 1e9}}, {3, kBlue});
    p.disc({-50, 300}, 10, kBlue);
    p.rectangle(-100, -100, 5, 5, kBlue);
    p.text({-30, 500}, "outside", 12, kBlue);
    p.text({15, 19}, "half outside", 12, kBlue);
    EXPECT_GT(Pixels(p.png()).inked(), 100);
}

TEST(Text, StandsWhereItIsPutAndIsAsWideAsSaid) {
    for (const Align align : {Align::left, Align::middle, Align::right}) {
        Picture p(200, 40, kWhite);
        p.text({100, 30}, "HHHH", 20, kBlue, align);
        const double width = Picture::text_width("HHHH", 20);
        const Pixels pixels(p.png());
        int left = 400, right = 0, top = 80, bottom = 0;
        for (int y = 0; y < 80; ++y)
            for (int x = 0; x < 400; ++x)
                if (pixels.at(x, y) != kWhite)
                    left = std::min(left, x), right = std::max(right, x), top = std::min(top, y),
                    bottom = std::max(bottom, y);
        const double begin = 100 - (align == Align::left ? 0 : align == Align::middle ? width / 2 : width);
        EXPECT_NEAR(left, 2 * begin, 5);
        EXPECT_NEAR(right, 2 * (begin + width), 5);
        EXPECT_NEAR(bottom, 60, 1.5);
        EXPECT_NEAR(top, 60 - 2 * 0.73 * 20, 2) << "capital letters have 0.73 em";
    }
}

TEST(Text, OfUnknownCharactersIsBoxes) {
    const std::string cjk = "\xE6\xA8\xA1\xE5\x9E\x8B";  // two characters that the font lacks
    EXPECT_DOUBLE_EQ(Picture::text_width(cjk, 10), 18);
    Picture p(60, 30, kWhite);
    p.text({10, 25}, cjk, 20, kBlue);
    const Pixels pixels(p.png());
    EXPECT_EQ(pixels.at(24, 40), kBlue) << "the left edge of the first box";
    EXPECT_EQ(pixels.at(38, 36), kWhite) << "its inside";
    EXPECT_TRUE(has(p.svg(), ">" + cjk + "<")) << "a viewer may have them";
    for (const char * known : {"\xC3\xBC", "\xCE\xA9", "\xD0\x96", "\xC2\xB7"})
        EXPECT_NE(Picture::text_width(known, 10), 9) << known;
}

TEST(Text, ThatCommandsOrBreaksIsMadeHarmless) {
    Picture p(300, 40, kWhite);
    p.text({1, 20}, "a<b>&\x1b[2J\xff\n\xE2\x80\xAE\xEF\xBF\xBF", 10, kBlue);
    const std::string svg = p.svg();
    EXPECT_TRUE(has(svg, ">a&lt;b>&amp;\\x1b[2J\\xff\\n\\u202e\xEF\xBF\xBD</text>")) << svg;
    EXPECT_GT(Pixels(p.png()).inked(), 50);
}

TEST(Text, ThatIsTooWideLosesItsMiddle) {
    const std::string name(500, 'm');
    const std::string fitted = Picture::fit(name + "-END", 17, 300);
    EXPECT_LE(Picture::text_width(fitted, 17), 300);
    EXPECT_GT(Picture::text_width(fitted, 17), 280);
    EXPECT_TRUE(fitted.starts_with("mmm") && fitted.ends_with("mm-END") && has(fitted, "m...m")) << fitted;
    EXPECT_EQ(Picture::fit("short", 17, 300), "short");
    EXPECT_EQ(Picture::fit("\xE6\xA8\xA1\xE5\x9E\x8B\xE6\xA8\xA1\xE5\x9E\x8B", 10, 34), "\xE6\xA8\xA1...\xE5\x9E\x8B")
        << "characters stay whole";
    EXPECT_EQ(Picture::fit("abc", 17, 0), "...");
}

TEST(Picture, OfAKindIsKnownByItsName) {
    EXPECT_TRUE(Picture::knows("a.png") && Picture::knows("b.svg"));
    EXPECT_FALSE(Picture::knows("a.jpg") || Picture::knows("png"));
}

}  // namespace
}  // namespace ql::test
