// Files: gzip or not, with a byte order mark or without.
#include "models/data/source.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include "support/temporary_folder.hpp"

namespace ql {
namespace {

std::string gzip(const std::string & text) {
    z_stream z{};
    EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&z, static_cast<uLong>(text.size())) + 64, '\0');
    z.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef *>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}

TEST(DataFile, ReadsPlainAndGzipAlike) {
    const test::TemporaryFolder folder;
    std::string text;
    for (int i = 0; i < 100000; ++i) text += std::to_string(i * 7919) + "\n";
    EXPECT_EQ(*read_data_file(folder.write("a.jsonl", text)), text);
    EXPECT_EQ(*read_data_file(folder.write("a.gz", gzip(text))), text);
    EXPECT_EQ(*read_data_file(folder.write("two.gz", gzip("a\n") + gzip(text))), "a\n" + text);
    EXPECT_EQ(*read_data_file(folder.write("bom", "\xEF\xBB\xBFx")), "x");
    EXPECT_EQ(*read_data_file(folder.write("empty.gz", gzip(""))), "");
}

TEST(DataFile, AnotherEncodingIsNamed) {
    const test::TemporaryFolder folder;
    for (const char * mark : {"\xFF\xFE", "\xFE\xFF"}) {
        const std::string text = std::string(mark) + std::string("t\0e\0", 4);
        for (const std::string & path : {folder.write("a.csv", text), folder.write("a.gz", gzip(text))})
            EXPECT_NE(read_data_file(path).message().find("the file is UTF-16"), std::string::npos);
    }
}

TEST(DataFile, KindsThatAreNotReadAreNamed) {
    const test::TemporaryFolder folder;
    using std::string_literals::operator""s;
    for (const auto & [bytes, kind] : {std::pair{"PAR1\x15\0\0PAR1"s, "a Parquet file"},
                                       {"PK\x03\x04\x14\0\0"s, "a ZIP file, as .xlsx"},
                                       {"ARROW1\0\0"s, "an Arrow file"},
                                       {"\x80\x04\x95"s, "a pickle"},
                                       {"\x93NUMPY\x01"s, "an array of NumPy"},
                                       {"SQLite format 3\0"s, "an SQLite database"},
                                       {"\xD0\xCF\x11\xE0"s, "an Office file, as .xls is"},
                                       {"%PDF-1.7\n%\xE2\xE3"s, "a PDF"},
                                       {"\x28\xB5\x2F\xFDx"s, "a file packed by zstd"}})
        for (const std::string & path : {folder.write("a.jsonl", bytes), folder.write("a.gz", gzip(bytes)),
                                         folder.write("a.csv", bytes), folder.write("a.txt", bytes)}) {
            const auto read = read_data_file(path);
            EXPECT_EQ(read.code(), QL_BAD_FILE) << kind;
            EXPECT_NE(read.message().find(path + ": " + kind), std::string::npos) << kind << "\n" << read.message();
            EXPECT_NE(read.message().find("save the samples as CSV or JSONL"), std::string::npos) << read.message();
        }
    for (const char * text : {"PAR1 is what Parquet files begin with", "PK\x03\x04", "%PDF- too", "ORChestra"})
        EXPECT_TRUE(read_data_file(folder.write("a.txt", text)).ok()) << text;
}

TEST(DataFile, DamagedOrCutGzipIsAnError) {
    const test::TemporaryFolder folder;
    const std::string packed = gzip(std::string(5000, 'x') + "yz");
    for (size_t n = 2; n < packed.size(); ++n)
        EXPECT_EQ(read_data_file(folder.write("cut.gz", packed.substr(0, n))).code(), QL_BAD_FILE) << n;
    std::string damaged = packed;
    damaged[packed.size() - 6] ^= 1;  // the checksum
    const auto read = read_data_file(folder.write("damaged.gz", damaged));
    EXPECT_EQ(read.code(), QL_BAD_FILE);
    EXPECT_NE(read.message().find("damaged.gz"), std::string::npos);
}

TEST(DataFile, ZerosBehindAMemberArePaddingAndNothingElseIs) {  // as in gzip, Python's gzip and zlib's gzread
    const test::TemporaryFolder folder;
    const std::string packed = gzip("abc\n"), zeros(1000, '\0');
    EXPECT_EQ(*read_data_file(folder.write("a.gz", packed + zeros)), "abc\n");
    EXPECT_EQ(*read_data_file(folder.write("b.gz", packed + zeros + packed + packed + zeros)), "abc\nabc\nabc\n");
    const auto garbage = read_data_file(folder.write("c.gz", packed + zeros + "more"));
    EXPECT_EQ(garbage.code(), QL_BAD_FILE);
    EXPECT_NE(garbage.message().find("c.gz: 4 bytes behind the gzip data are no gzip data"), std::string::npos);
    EXPECT_NE(read_data_file(folder.write("d.gz", packed + packed.substr(0, 12))).message().find("cut off"),
              std::string::npos);
}

TEST(DataFile, BombIsRefusedBeforeItIsUnpacked) {
    const test::TemporaryFolder folder;
    std::string packed = gzip(std::string(40 << 20, 'x'));
    EXPECT_EQ(read_data_file(folder.write("a.gz", packed))->size(), size_t{40} << 20);
    packed += packed;
    const auto bomb = read_data_file(folder.write("b.gz", packed));
    EXPECT_EQ(bomb.code(), QL_UNSUPPORTED);
    EXPECT_NE(bomb.message().find("b.gz: more than 256 times its size when unpacked"), std::string::npos);
}

TEST(DataFile, MissingFileAndFolderAreErrorsThatNameThem) {
    const test::TemporaryFolder folder;
    EXPECT_NE(read_data_file(folder.path("no.jsonl")).message().find("no.jsonl"), std::string::npos);
    EXPECT_EQ(read_data_file(folder.path("no.jsonl")).code(), QL_NOT_FOUND);
    EXPECT_FALSE(read_data_file(folder.path("")).ok());
}

}  // namespace
}  // namespace ql
