// The safetensors reader and writer, and the broken files that it refuses.
#include <gtest/gtest.h>

#include "models/files/safetensors.hpp"
#include "support/raw_safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace ql {
namespace {

using test::bytes_of;
using test::raw_safetensors;

const std::string kEight(8, 'x');
const std::string kSound = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

TEST(SafeTensors, ReadsTensorsAndMetadata) {
    test::TemporaryFolder folder;
    const std::string header =
        R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1,3],"data_offsets":[4,16]},)"
        R"("a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"none":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]},)"
        R"("one":{"dtype":"F16","shape":[],"data_offsets":[16,18]}})";
    const std::string data =
        bytes_of<uint16_t>({0x3f80, 0xc000}) + bytes_of<float>({1, -2, 3.5f}) + bytes_of<uint16_t>({0x3c00});
    auto file = SafeTensorsFile::open(folder.write("m.safetensors", raw_safetensors(header, data)));
    ASSERT_TRUE(file.ok()) << file.message();
    ASSERT_EQ(file->tensors().size(), 4u);
    EXPECT_EQ(file->find("__metadata__"), nullptr);
    EXPECT_EQ(read_f32(*file->find("a")).value(), (std::vector<float>{1, -2}));
    EXPECT_EQ(read_f32(*file->find("b")).value(), (std::vector<float>{1, -2, 3.5f}));
    EXPECT_EQ(read_f32(*file->find("one")).value(), (std::vector<float>{1}));
    EXPECT_EQ(read_f32(*file->find("none")).value(), std::vector<float>{});
    EXPECT_EQ(file->find("b")->shape, (std::vector<int64_t>{1, 3}));
}

TEST(SafeTensors, ReadsUnalignedData) {
    test::TemporaryFolder folder;
    for (size_t pad = 0; pad < 8; ++pad) {
        test::SafeTensorsMaker maker;
        maker.add("w", {3}, {1.5f, 2, -7});
        auto file = SafeTensorsFile::open(folder.write("m.safetensors", maker.file(pad)));
        ASSERT_TRUE(file.ok()) << file.message();
        EXPECT_EQ(read_f32(*file->find("w")).value(), (std::vector<float>{1.5f, 2, -7}));
    }
}

struct Broken {
    const char * what;
    std::string file;
    const char * message;  // a part of the error
    ql_status code = QL_BAD_FILE;
};

std::string entry(const std::string & body, const std::string & data = kEight) {
    return raw_safetensors("{\"w\":" + body + "}", data);
}

TEST(SafeTensors, RejectsBrokenFiles) {
    const Broken table[] = {
        {"empty", "", "too short"},
        {"seven bytes", std::string(7, '\0'), "too short"},
        {"no header", raw_safetensors("", ""), "the header: line 1, byte 0"},
        {"header longer than the file", raw_safetensors(kSound, kEight, 63), "header of 63 bytes"},
        {"header length of all ones", raw_safetensors(kSound, kEight, UINT64_MAX - 1), "header of"},
        {"header length near 2^64", raw_safetensors(kSound, kEight, UINT64_MAX - 7), "header of"},
        {"header is no JSON", raw_safetensors("{\"w\":", kEight), "the header: line 1, byte 5"},
        {"header is a list", raw_safetensors("[]", kEight), "no JSON object"},
        {"header nested deep", raw_safetensors(std::string(100000, '['), kEight), "nested too deep"},
        {"tensor twice",
         raw_safetensors("{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"w\":{\"dtype\":\"F32\","
                         "\"shape\":[1],\"data_offsets\":[0,4]}}",
                         kEight),
         "\"w\" is there twice"},
        {"entry is a number", entry("3"), "missing"},
        {"no dtype", entry(R"({"shape":[2],"data_offsets":[0,8]})"), "missing"},
        {"no shape", entry(R"({"dtype":"F32","data_offsets":[0,8]})"), "missing"},
        {"no offsets", entry(R"({"dtype":"F32","shape":[2]})"), "missing"},
        {"unknown type", entry(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})"), "'F33' is unknown",
         QL_UNSUPPORTED},
        {"type is a number", entry(R"({"dtype":4,"shape":[2],"data_offsets":[0,8]})"), "dtype is no string"},
        {"negative dimension", entry(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), "no count"},
        {"fractional dimension", entry(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), "no count"},
        {"dimension past 2^63", entry(R"({"dtype":"F32","shape":[9223372036854775809],"data_offsets":[0,8]})"),
         "no count"},
        {"product wraps to 8 bytes", entry(R"({"dtype":"F32","shape":[4611686018427387904,4,2],"data_offsets":[0,8]})"),
         "larger than any file"},
        {"offsets past the end", entry(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})"), "out of range"},
        {"offsets backwards", entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), "out of range"},
        {"offsets negative", entry(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"), "not two counts"},
        {"three offsets", entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})"), "not two counts"},
        {"shape larger than bytes", entry(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,8]})"),
         "needs 16 bytes, data_offsets give 8"},
        {"type larger than bytes", entry(R"({"dtype":"F64","shape":[2],"data_offsets":[0,8]})"), "needs 16 bytes"},
        {"shape smaller than bytes", entry(R"({"dtype":"F16","shape":[2],"data_offsets":[0,8]})"), "needs 4 bytes"},
        {"truncated data", raw_safetensors(kSound, std::string(7, 'x')), "out of range"},
        {"overlap by one byte",
         raw_safetensors(
             R"({"v":{"dtype":"I8","shape":[5],"data_offsets":[0,5]},"w":{"dtype":"I8","shape":[4],"data_offsets":[4,8]}})",
             kEight),
         "'v' and 'w' overlap"},
        {"same bytes twice",
         raw_safetensors(
             R"({"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
             kEight),
         "overlap"},
        {"bytes behind the last tensor", raw_safetensors(kSound, kEight + "yz"),
         "2 bytes at the end of the file belong to no tensor"},
        {"bytes and no tensor", raw_safetensors("{}", "y"), "1 bytes at the end of the file belong to no tensor"},
        {"bytes in front of the first tensor", entry(R"({"dtype":"I8","shape":[5],"data_offsets":[3,8]})"),
         "3 bytes in front of 'w' belong to no tensor"},
        {"a hole",
         raw_safetensors(
             R"({"v":{"dtype":"I8","shape":[3],"data_offsets":[0,3]},"w":{"dtype":"I8","shape":[4],"data_offsets":[4,8]}})",
             kEight),
         "1 bytes in front of 'w' belong to no tensor"},
        {"one inside the other",
         raw_safetensors(
             R"({"v":{"dtype":"I8","shape":[8],"data_offsets":[0,8]},"w":{"dtype":"I8","shape":[2],"data_offsets":[3,5]}})",
             kEight),
         "overlap"},
    };
    test::TemporaryFolder folder;
    for (const Broken & row : table) {
        const std::string path = folder.write("m.safetensors", row.file);
        const auto file = SafeTensorsFile::open(path);
        ASSERT_FALSE(file.ok()) << row.what;
        EXPECT_EQ(file.code(), row.code) << row.what << ": " << file.message();
        EXPECT_NE(file.message().find(row.message), std::string::npos) << row.what << ": " << file.message();
        EXPECT_NE(file.message().find(path), std::string::npos) << row.what << ": " << file.message();
    }
    EXPECT_EQ(SafeTensorsFile::open(folder.path("absent")).code(), QL_NOT_FOUND);
    EXPECT_EQ(SafeTensorsFile::open(folder.path(".")).code(), QL_IO);
    EXPECT_TRUE(SafeTensorsFile::open(folder.write("m.safetensors", raw_safetensors(kSound, kEight))).ok());
}

TEST(SafeTensors, RejectsEveryCutOfAFile) {
    test::TemporaryFolder folder;
    test::SafeTensorsMaker maker;
    maker.add("v", {3}, {1, 2, 3});
    maker.add("w", {2, 2}, {4, 5, 6, 7});
    const std::string whole = maker.file();
    for (size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(SafeTensorsFile::open(folder.write("m.safetensors", whole.substr(0, size))).ok()) << size;
}

TEST(SafeTensors, OnlyFloatsAreWeights) {
    test::TemporaryFolder folder;
    auto file = SafeTensorsFile::open(folder.write("m", entry(R"({"dtype":"I64","shape":[1],"data_offsets":[0,8]})")));
    ASSERT_TRUE(file.ok()) << file.message();
    EXPECT_EQ(read_f32(*file->find("w")).code(), QL_UNSUPPORTED);
}

TEST(SafeTensors, WritesWhatItReads) {
    test::TemporaryFolder folder;
    const std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {-0.25f};
    const std::string path = folder.path("out.safetensors");
    const Status written = write_safetensors(path, {{"second", {2, 3}, a.data()}, {"a", {1}, b.data()}});
    ASSERT_TRUE(written.ok()) << written.message();
    auto file = SafeTensorsFile::open(path);
    ASSERT_TRUE(file.ok()) << file.message();
    EXPECT_EQ(file->tensors()[0].name, "second");  // in the order given
    EXPECT_EQ(file->find("second")->shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(read_f32(*file->find("second")).value(), a);
    EXPECT_EQ(read_f32(*file->find("a")).value(), b);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file->find("second")->data) % 8, 0u);
}

}  // namespace
}  // namespace ql
