// The rejection list: at least one row for every rule, each a file that breaks that rule and no other.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "ggml/gguf/reader.hpp"
#include "tests/gguf/builder.hpp"

namespace ql::test {
namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

/// A file with the keys that `add_keys` writes and no tensor.
std::string with_keys(int64_t n, const std::function<void(Bytes &)> & add_keys) {
    Bytes bytes;
    bytes.header(3, 0, n);
    add_keys(bytes);
    return bytes.raw(std::string(64, '\0')).data;
}

/// A file with the tensors that `add_tensors` writes, and `data` bytes of data.
std::string with_tensors(int64_t n, size_t data, const std::function<void(Bytes &)> & add_tensors) {
    Bytes bytes;
    bytes.header(3, n, 0);
    add_tensors(bytes);
    return bytes.pad(32).raw(std::string(data, '\1')).data;
}

std::string with_tensor(const std::vector<int64_t> & dims, int32_t type, size_t data = 1024) {
    return with_tensors(1, data, [&](Bytes & b) { b.tensor("w", dims, type, 0); });
}

std::string header(uint32_t version, int64_t n_tensors, int64_t n_keys) {
    return Bytes().header(version, n_tensors, n_keys).raw(std::string(64, '\0')).data;
}

struct Case {
    const char * name;
    std::string file;
    const char * message;  // a part of it: the field and offset, or what is wrong
    ql_status code = QL_BAD_FILE;
};

std::vector<Case> cases() {
    const auto key32 = [](uint32_t v) { return [v](Bytes & b) { b.key("general.alignment", QL_GGUF_U32, v); }; };
    const auto two = [](const std::vector<int64_t> & dims, uint64_t second) {
        return [=](Bytes & b) { b.tensor("a", dims, 0, 0).tensor("b", dims, 0, second); };
    };
    std::vector<Case> list = {
        // 1 magic, header, version
        {"empty", "", "is empty"},
        {"bad magic", "GGML" + header(3, 0, 0).substr(4), "magic (offset 0)"},
        {"magic only", "GGUF", "version (offset 4): the file ends"},
        {"short header", Bytes().header(3, 0, 0).data.substr(0, 20), "key count (offset 16): the file ends"},
        {"version 0", header(0, 0, 0), "version (offset 4)"},
        {"version 1", header(1, 0, 0), "GGUF version 1", QL_UNSUPPORTED},
        {"version 4", header(4, 0, 0), "GGUF version 4", QL_UNSUPPORTED},
        {"byte-swapped version", header(0x03000000, 0, 0), "big-endian"},
        // 2 counts
        {"negative tensor count", header(3, -1, 0), "tensor count (offset 8): -1 is negative"},
        {"negative key count", header(3, 0, -1), "key count (offset 16): -1 is negative"},
        {"huge tensor count", header(3, kHuge, 0), "tensor count (offset 8)"},
        {"huge key count", header(3, 0, kHuge), "key count (offset 16)"},
        {"more keys than bytes", header(3, 0, 6), "key count (offset 16): 6 do not fit into the 64 bytes"},
        {"count that overflows when multiplied", header(3, 0, int64_t{1} << 60), "key count (offset 16)"},
        // 3 strings
        {"key longer than the file", with_keys(1, [](Bytes & b) { b.put<uint64_t>(1 << 20).raw("abc"); }),
         "key (offset 24): a string of 1048576 bytes"},
        {"key length that wraps", with_keys(1, [](Bytes & b) { b.put<uint64_t>(~0ull - 7).raw("abc"); }),
         "key (offset 24): a string of"},
        {"string longer than the file",
         with_keys(1, [](Bytes & b) { b.string("k").put<int32_t>(QL_GGUF_STRING).put<uint64_t>(65); }),
         "key 'k' (offset 37): a string of 65 bytes, but the file has only 64 more"},
        {"string in an array longer than the file",
         with_keys(1, [](Bytes & b) { b.array_key("k", QL_GGUF_STRING, 2).string("ok").put<uint64_t>(1000); }),
         "key 'k' (offset 59): a string of 1000 bytes"},
        // 4 arrays
        {"array count beyond the file", with_keys(1, [](Bytes & b) { b.array_key("k", QL_GGUF_U32, 17); }),
         "key 'k' (offset 37): an array of 17 u32s"},
        {"array bytes that overflow", with_keys(1, [](Bytes & b) { b.array_key("k", QL_GGUF_U64, 1ull << 61); }),
         "an array of 2305843009213693952 u64s"},
        {"string array count beyond the file", with_keys(1, [](Bytes & b) { b.array_key("k", QL_GGUF_STRING, 9); }),
         "an array of 9 strings"},
        {"nested array", with_keys(1, [](Bytes & b) { b.array_key("k", QL_GGUF_ARRAY, 1); }), "an array of arrays"},
        {"unknown element type", with_keys(1, [](Bytes & b) { b.array_key("k", 13, 1); }), "element type 13"},
        {"negative element type", with_keys(1, [](Bytes & b) { b.array_key("k", -1, 1); }), "element type -1"},
        {"bool of 2 in an array",
         with_keys(1, [](Bytes & b) { b.array_key("k", QL_GGUF_BOOL, 3).raw(std::string("\1\0\2", 3)); }),
         "key 'k' (offset 51): a bool of 2"},
        // 5 keys
        {"empty key", with_keys(1, [](Bytes & b) { b.key("", QL_GGUF_U32, 1u); }), "key (offset 24): is empty"},
        {"duplicate key", with_keys(2, [](Bytes & b) { b.key("k", QL_GGUF_U8, 'a').key("k", QL_GGUF_U8, 'b'); }),
         "key (offset 38): 'k' is there twice"},
        {"key with NUL", with_keys(1, [](Bytes & b) { b.key(std::string_view("a\0b", 3), QL_GGUF_U32, 1u); }),
         "NUL byte"},
        {"key of 65536 bytes", with_keys(1, [](Bytes & b) { b.key(std::string(65536, 'k'), QL_GGUF_U32, 1u); }),
         "has 65536 bytes"},
        {"unknown type", with_keys(1, [](Bytes & b) { b.key("k", 13, 1u); }),
         "key 'k' (offset 33): unknown value type 13"},
        {"negative type", with_keys(1, [](Bytes & b) { b.key("k", -2, 1u); }), "unknown value type -2"},
        {"bool of 7", with_keys(1, [](Bytes & b) { b.key("k", QL_GGUF_BOOL, '\7'); }), "a bool of 7"},
        // 6 alignment
        {"alignment of type u64",
         with_keys(1, [](Bytes & b) { b.key("general.alignment", QL_GGUF_U64, uint64_t{32}); }),
         "general.alignment (offset 24): is a u64, must be a u32"},
        {"alignment of type i32", with_keys(1, [](Bytes & b) { b.key("general.alignment", QL_GGUF_I32, 32); }),
         "is a i32"},
        {"alignment string", with_keys(1, [](Bytes & b) { b.string_key("general.alignment", "32"); }), "is a string"},
        {"alignment 0", with_keys(1, key32(0)), "general.alignment (offset 24): is 0"},
        {"alignment 48", with_keys(1, key32(48)), "is 48"},
        {"alignment 4", with_keys(1, key32(4)), "is 4, must be a power of two from 8"},
        // 7 tensor names
        {"tensor name of 64 bytes", with_tensors(1, 32, [](Bytes & b) { b.tensor(std::string(64, 'n'), {8}, 0, 0); }),
         "has 64 bytes"},
        {"empty tensor name", with_tensors(1, 32, [](Bytes & b) { b.tensor("", {8}, 0, 0); }),
         "tensor name (offset 24): is empty"},
        {"duplicate tensor name",
         with_tensors(2, 64, [](Bytes & b) { b.tensor("w", {8}, 0, 0).tensor("w", {8}, 0, 32); }),
         "tensor name (offset 57): 'w' is there twice"},
        {"tensor name with NUL",
         with_tensors(1, 32, [](Bytes & b) { b.tensor(std::string_view("w\0", 2), {8}, 0, 0); }), "NUL byte"},
        // 8 n_dims
        {"5 dimensions", with_tensor({1, 1, 1, 1, 8}, 0), "tensor 'w' (offset 33): 5 dimensions"},
        {"0 dimensions", with_tensors(1, 64, [](Bytes & b) { b.tensor("w", {}, 0, 0).raw("12345678"); }),
         "tensor 'w' (offset 33): 0 dimensions"},
        {"2^31 dimensions",
         with_tensors(1, 64, [](Bytes & b) { b.string("w").put<uint32_t>(1u << 31).raw(std::string(64, '\1')); }),
         "2147483648 dimensions"},
        // 9 dims
        {"zero dimension", with_tensor({8, 0}, 0), "tensor 'w' (offset 45): dimension 1 is 0"},
        {"negative dimension", with_tensor({-8}, 0), "tensor 'w' (offset 37): dimension 0 is -8"},
        {"two negative dimensions", with_tensor({-8, -8}, 0), "dimension 0 is -8"},
        // 10, 11 products
        {"product overflows", with_tensor({int64_t{1} << 32, int64_t{1} << 32}, 0), "the product of its dimensions"},
        {"product overflows to a small number", with_tensor({int64_t{1} << 62, 4, 2}, 0), "the product"},
        {"bytes overflow", with_tensor({int64_t{1} << 61}, 0), "the product of its dimensions overflows"},
        // 12, 13 sums
        {"sum of sizes overflows",
         with_tensors(3, 64,
                      [](Bytes & b) {
                          const int64_t n = int64_t{1} << 60;  // 2^62 bytes
                          b.tensor("a", {n - 8}, 0, 0).tensor("b", {n - 8}, 0, (uint64_t{1} << 62) - 32);
                          b.tensor("c", {n - 8}, 0, (uint64_t{1} << 63) - 64);
                      }),
         "tensor 'c' (offset 115): the sum of the tensors' sizes overflows"},
        {"padding past the largest size",
         Bytes()
             .header(3, 2, 1)
             .key("general.alignment", QL_GGUF_U32, uint32_t{1} << 31)
             .tensor("a", {(int64_t{1} << 60) - 8}, 0, 0)
             .tensor("b", {(int64_t{1} << 60) - 8}, 0, uint64_t{1} << 62)
             .raw(std::string(64, '\0'))
             .data,
         "the sum of the tensors' sizes overflows"},
        // 14 types
        {"removed type 4", with_tensor({32}, 4), "tensor 'w' (offset 45): unknown or removed type 4"},
        {"removed type 31", with_tensor({32}, 31), "removed type 31"},
        {"unknown type 43", with_tensor({32}, 43), "removed type 43"},
        {"negative type", with_tensor({32}, -1), "removed type -1"},
        {"smallest type", with_tensor({32}, std::numeric_limits<int32_t>::min()), "removed type -2147483648"},
        {"largest type", with_tensor({32}, std::numeric_limits<int32_t>::max()), "removed type 2147483647"},
        {"upstream type q8_k", with_tensor({256}, 15), "tensor 'w' (offset 45): its type q8_k", QL_UNSUPPORTED},
        {"upstream type f64", with_tensor({8}, 28), "its type f64", QL_UNSUPPORTED},
        {"upstream type q8_1", with_tensor({32}, 9), "its type q8_1", QL_UNSUPPORTED},
        {"newer type of ours", with_tensor({64}, QL_NF4 + 99), "a type of a newer version", QL_UNSUPPORTED},
        {"row not of whole q8_0 blocks", with_tensor({48}, QL_Q8_0), "rows of 48 elements are no multiple of the 32"},
        {"row not of whole blocks though the tensor is", with_tensor({48, 2}, QL_Q8_0), "rows of 48 elements"},
        {"row not of whole nf4 blocks", with_tensor({96}, QL_NF4), "no multiple of the 64 of a block of nf4"},
        {"row not of whole q4_k blocks", with_tensor({128}, QL_Q4_K), "no multiple of the 256"},
        // 15 offsets and data
        {"misaligned first offset", with_tensors(1, 64, [](Bytes & b) { b.tensor("w", {8}, 0, 1); }),
         "tensor 'w' (offset 49): data offset 1 is no multiple"},
        {"misaligned second offset", with_tensors(2, 128, two({8}, 36)), "data offset 36 is no multiple"},
        {"gap", with_tensors(2, 128, two({8}, 64)), "data offset 64 is out of sequence, must be 32"},
        {"overlap", with_tensors(2, 128, two({9}, 32)), "data offset 32 is out of sequence, must be 64"},
        {"the same offset twice", with_tensors(2, 128, two({8}, 0)), "data offset 0 is out of sequence, must be 32"},
        {"past the end", with_tensors(1, 64, [](Bytes & b) { b.tensor("w", {8}, 0, 1 << 20); }), "out of sequence"},
        {"data cut", with_tensor({9}, 0, 35), "data of tensor 'w' (offset 64): the file is cut"},
        {"last padding cut", with_tensor({9}, 0, 63), "data of tensor 'w' (offset 64): the file is cut"},
        {"no data", with_tensor({8}, 0, 0), "data of tensor 'w' (offset 64): the file is cut"},
        {"second tensor cut", with_tensors(2, 63, two({8}, 32)), "data of tensor 'b' (offset 128): the file is cut"},
        {"terabytes promised", with_tensor({int64_t{1} << 40}, 0), "the file is cut: 4398046511104 bytes"},
        // our own: planes start at cache lines
        {"nf4 at a multiple of 32 only",
         with_tensors(1, 256,
                      [](Bytes & b) {
                          b.tensor("longer name", {64, 3}, QL_NF4, 0);
                      }),
         "data of tensor 'longer name' (offset 96): nf4 data must start at a multiple of 64"},
    };
    return list;
}

TEST(GgufReject, RejectsEveryFileThatBreaksARuleAndNamesFieldAndOffset) {
    for (const Case & c : cases()) {
        SCOPED_TRACE(c.name);
        // An exact allocation, so that the sanitizer sees a byte read past the end.
        const std::vector<uint8_t> bytes(c.file.begin(), c.file.end());
        const Result<gguf::Contents> result = gguf::parse(bytes.data(), bytes.size(), "x.gguf");
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.code(), c.code) << result.message();
        EXPECT_NE(result.message().find(c.message), std::string::npos) << result.message();
        EXPECT_EQ(result.message().rfind("x.gguf: ", 0), 0u) << result.message();
    }
}

TEST(GgufReject, AcceptsTheSameFilesUnbroken) {
    const std::vector<std::pair<const char *, std::string>> good = {
        {"no keys", header(3, 0, 0)},
        {"version 2", header(2, 0, 0)},
        {"keys to the last byte", Bytes().header(3, 0, 1).key("k", QL_GGUF_U8, 'x').data},
        {"alignment 8", with_keys(1, [](Bytes & b) { b.key("general.alignment", QL_GGUF_U32, 8u); })},
        {"name of 63 bytes", with_tensors(1, 32, [](Bytes & b) { b.tensor(std::string(63, 'n'), {8}, 0, 0); })},
        {"last padding there", with_tensor({9}, 0, 64)},
        {"4 dimensions", with_tensor({2, 2, 2, 1}, 0, 32)},
        {"empty arrays", with_keys(2, [](Bytes & b) { b.array_key("a", QL_GGUF_STRING, 0).array_key("b", 7, 0); })},
        {"nf4 at a multiple of 64", with_tensors(1, 256, [](Bytes & b) { b.tensor("w", {192}, QL_NF4, 0); })},
    };
    for (const auto & [name, file] : good) {
        const std::vector<uint8_t> bytes(file.begin(), file.end());
        const auto result = gguf::parse(bytes.data(), bytes.size(), "x.gguf");
        EXPECT_TRUE(result.ok()) << name << ": " << result.message();
    }
}

/// A small file with a key of every type and tensors of several types, whose last byte is needed.
std::string small_file() {
    Bytes b;
    b.header(3, 3, 14);
    b.key<uint8_t>("u8", 0, 200).key<int8_t>("i8", 1, -3).key<uint16_t>("u16", 2, 60000).key<int16_t>("i16", 3, -300);
    b.key<uint32_t>("u32", 4, 4000000000u).key<int32_t>("i32", 5, -5).key("f32", 6, 1.5f).key<uint8_t>("bool", 7, 1);
    b.string_key("string", "text").key<uint64_t>("u64", 10, ~0ull).key<int64_t>("i64", 11, -6).key("f64", 12, 2.5);
    b.array_key("strings", QL_GGUF_STRING, 3).string("a").string("").string("ccc");
    b.array_key("floats", QL_GGUF_F32, 2).put(1.0f).put(-1.0f);
    b.tensor("a", {3, 5}, QL_F32, 0).tensor("b", {32, 2}, QL_Q8_0, 64).tensor("c", {1, 2, 3, 4}, QL_F16, 160);
    return b.pad(32).raw(std::string(64 + 96 + 64, '\5')).data;
}

TEST(GgufReject, RejectsAFileCutAtAnyByte) {
    const std::string file = small_file();
    for (size_t size = 0; size < file.size(); size++) {
        const std::vector<uint8_t> bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
        const auto result = gguf::parse(bytes.data(), bytes.size(), "x.gguf");
        ASSERT_FALSE(result.ok()) << "cut at " << size;
        ASSERT_EQ(result.code(), QL_BAD_FILE) << "cut at " << size << ": " << result.message();
    }
    EXPECT_TRUE(gguf::parse(reinterpret_cast<const uint8_t *>(file.data()), file.size(), "x.gguf").ok());
}

TEST(GgufReject, SurvivesAnyByteChanged) {
    const std::string file = small_file();
    uint64_t random = 88172645463325252ull;
    int rejected = 0;
    for (int round = 0; round < 20000; round++) {
        std::vector<uint8_t> bytes(file.begin(), file.end());
        for (int i = 0; i <= round % 3; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            bytes[random % bytes.size()] = static_cast<uint8_t>(random >> 40);
        }
        const auto result = gguf::parse(bytes.data(), bytes.size(), "x.gguf");
        rejected += !result.ok();
        if (!result.ok()) continue;
        for (const gguf::Key & key : result->keys)  // what is accepted can be read
            for (size_t i = 0; i < key.strings.size(); i++)
                ASSERT_LE(gguf::array_string(key, static_cast<int64_t>(i)).size(), bytes.size());
        for (const gguf::Tensor & tensor : result->tensors)
            ASSERT_LE(tensor.data + tensor.size, bytes.data() + bytes.size());
    }
    EXPECT_GT(rejected, 5000);
}

TEST(GgufReject, AHundredThousandNamesTakeNoQuadraticTime) {
    constexpr int kKeys = 100000;
    Bytes b;
    b.header(3, 0, kKeys);
    for (int i = 0; i < kKeys; i++) b.key("key." + std::to_string(i), QL_GGUF_U32, i);
    const auto result = gguf::parse(reinterpret_cast<const uint8_t *>(b.data.data()), b.data.size(), "x.gguf");
    ASSERT_TRUE(result.ok()) << result.message();
    EXPECT_EQ(gguf::get_int(*result->find_key("key.99999"), "x").value(), 99999);
}

}  // namespace
}  // namespace ql::test
