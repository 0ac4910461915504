// Reading through the C API: values, getters that refuse other types, tensors, sharded files, real vocabularies.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/gguf/builder.hpp"
#include "tests/gguf/open.hpp"
#include "tests/support/shared.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ql::test {
namespace {

std::string typed_keys() {
    Bytes b;
    b.header(2, 0, 15);
    b.key<uint8_t>("u8", 0, 200).key<int8_t>("i8", 1, -3).key<uint16_t>("u16", 2, 60000).key<int16_t>("i16", 3, -300);
    b.key<uint32_t>("u32", 4, 4000000000u).key<int32_t>("i32", 5, -5).key("f32", 6, 1.5f).key<uint8_t>("yes", 7, 1);
    b.key<uint8_t>("no", 7, 0).string_key("string", std::string_view("te\0xt", 5)).key<uint64_t>("u64", 10, ~0ull);
    b.key<int64_t>("i64", 11, INT64_MIN).key("f64", 12, 2.5);
    b.array_key("strings", QL_GGUF_STRING, 3).string("a").string("").string("ccc");
    b.array_key("floats", QL_GGUF_F32, 2).put(1.0f).put(-1.0f);
    return b.data;
}

TEST(GgufRead, GivesEveryValueType) {
    TemporaryFolder folder;
    const GgufPtr file = open_gguf(folder.write("m.gguf", typed_keys()));
    ASSERT_TRUE(file) << ql_error_message();
    const std::vector<std::pair<const char *, int64_t>> ints = {
        {"u8", 200}, {"i8", -3}, {"u16", 60000}, {"i16", -300}, {"u32", 4000000000}, {"i32", -5}, {"i64", INT64_MIN}};
    for (const auto & [key, expected] : ints) {
        int64_t value = 0;
        EXPECT_EQ(ql_gguf_get_int(file.get(), key, &value), QL_OK);
        EXPECT_EQ(value, expected) << key;
    }
    double f = 0;
    EXPECT_EQ(ql_gguf_get_float(file.get(), "f32", &f), QL_OK);
    EXPECT_EQ(f, 1.5);
    EXPECT_EQ(ql_gguf_get_float(file.get(), "f64", &f), QL_OK);
    EXPECT_EQ(f, 2.5);
    int yes = 0, no = 1;
    EXPECT_EQ(ql_gguf_get_bool(file.get(), "yes", &yes), QL_OK);
    EXPECT_EQ(ql_gguf_get_bool(file.get(), "no", &no), QL_OK);
    EXPECT_EQ(yes, 1);
    EXPECT_EQ(no, 0);
    ql_gguf_string text = {};
    EXPECT_EQ(ql_gguf_get_string(file.get(), "string", &text), QL_OK);
    EXPECT_EQ(std::string_view(text.data, text.size), std::string_view("te\0xt", 5));
}

TEST(GgufRead, GivesArrays) {
    TemporaryFolder folder;
    const GgufPtr file = open_gguf(folder.write("m.gguf", typed_keys()));
    ASSERT_TRUE(file) << ql_error_message();
    ql_gguf_array array = {};
    ASSERT_EQ(ql_gguf_get_array(file.get(), "floats", &array), QL_OK);
    EXPECT_EQ(array.type, QL_GGUF_F32);
    ASSERT_EQ(array.n, 2);
    float values[2];
    std::memcpy(values, array.data, sizeof values);
    EXPECT_EQ(values[1], -1.0f);
    ASSERT_EQ(ql_gguf_get_array(file.get(), "strings", &array), QL_OK);
    EXPECT_EQ(array.n, 3);
    EXPECT_EQ(array.data, nullptr);
    const std::vector<std::string> expected = {"a", "", "ccc"};
    for (int64_t i = 0; i < 3; i++) {
        ql_gguf_string text = {};
        ASSERT_EQ(ql_gguf_array_string(file.get(), "strings", i, &text), QL_OK);
        EXPECT_EQ(std::string(text.data, text.size), expected[static_cast<size_t>(i)]);
    }
    ql_gguf_string text = {};
    EXPECT_EQ(ql_gguf_array_string(file.get(), "strings", 3, &text), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_array_string(file.get(), "strings", -1, &text), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_array_string(file.get(), "floats", 0, &text), QL_BAD_FILE);
    EXPECT_EQ(ql_gguf_array_string(file.get(), "string", 0, &text), QL_BAD_FILE);
}

TEST(GgufRead, RefusesToReadAKeyAsAnotherType) {  // rule 16
    TemporaryFolder folder;
    const GgufPtr file = open_gguf(folder.write("m.gguf", typed_keys()));
    ASSERT_TRUE(file) << ql_error_message();
    int64_t i;
    double f;
    int b;
    ql_gguf_string s;
    ql_gguf_array a;
    for (const char * key : {"f32", "f64", "yes", "string", "strings", "floats"})
        EXPECT_EQ(ql_gguf_get_int(file.get(), key, &i), QL_BAD_FILE) << key;
    EXPECT_EQ(ql_gguf_get_int(file.get(), "u64", &i), QL_BAD_FILE) << "does not fit";
    for (const char * key : {"u8", "i64", "yes", "string", "floats"})
        EXPECT_EQ(ql_gguf_get_float(file.get(), key, &f), QL_BAD_FILE) << key;
    for (const char * key : {"u8", "f32", "string"})
        EXPECT_EQ(ql_gguf_get_bool(file.get(), key, &b), QL_BAD_FILE) << key;
    for (const char * key : {"u8", "f32", "strings"})
        EXPECT_EQ(ql_gguf_get_string(file.get(), key, &s), QL_BAD_FILE) << key;
    EXPECT_EQ(ql_gguf_get_array(file.get(), "string", &a), QL_BAD_FILE);
    EXPECT_NE(std::string(ql_error_message()).find("key 'string' is of type string, an array is needed"),
              std::string::npos)
        << ql_error_message();
    EXPECT_EQ(ql_gguf_get_int(file.get(), "absent", &i), QL_NOT_FOUND);
}

TEST(GgufRead, ListsKeysInTheFilesOrder) {
    TemporaryFolder folder;
    const GgufPtr file = open_gguf(folder.write("m.gguf", typed_keys()));
    ASSERT_TRUE(file) << ql_error_message();
    ASSERT_EQ(ql_gguf_n_keys(file.get()), 15);
    EXPECT_STREQ(ql_gguf_key(file.get(), 0), "u8");
    EXPECT_STREQ(ql_gguf_key(file.get(), 14), "floats");
    EXPECT_EQ(ql_gguf_key(file.get(), 15), nullptr);
    EXPECT_EQ(ql_gguf_key(file.get(), -1), nullptr);
    EXPECT_EQ(ql_gguf_has_key(file.get(), "u8"), 1);
    EXPECT_EQ(ql_gguf_has_key(file.get(), "u"), 0);
    ql_gguf_type type;
    EXPECT_EQ(ql_gguf_key_type(file.get(), "strings", &type), QL_OK);
    EXPECT_EQ(type, QL_GGUF_ARRAY);
}

TEST(GgufRead, FindsTensorsAndTheirData) {
    Bytes b;
    b.header(3, 2, 0).tensor("a", {3, 5}, QL_F32, 0).tensor("b.weight", {32, 2}, QL_Q8_0, 64).pad(32);
    b.raw(std::string(60, 'A')).pad(32).raw(std::string(68, 'B')).pad(32);
    TemporaryFolder folder;
    const GgufPtr file = open_gguf(folder.write("m.gguf", b.data));
    ASSERT_TRUE(file) << ql_error_message();
    ASSERT_EQ(ql_gguf_n_tensors(file.get()), 2);
    ql_gguf_tensor t;
    ASSERT_EQ(ql_gguf_find_tensor(file.get(), "b.weight", &t), QL_OK);
    EXPECT_STREQ(t.name, "b.weight");
    EXPECT_EQ(t.dtype, QL_Q8_0);
    EXPECT_EQ(t.n_dims, 2);
    EXPECT_EQ(t.ne[0], 32);
    EXPECT_EQ(t.ne[1], 2);
    EXPECT_EQ(t.ne[2], 1);
    EXPECT_EQ(t.ne[3], 1);
    ASSERT_EQ(t.size, 68u);
    EXPECT_EQ(std::string(static_cast<const char *>(t.data), t.size), std::string(68, 'B'));
    ASSERT_EQ(ql_gguf_tensor_at(file.get(), 0, &t), QL_OK);
    EXPECT_EQ(std::string(static_cast<const char *>(t.data), t.size), std::string(60, 'A'));
    EXPECT_EQ(ql_gguf_tensor_at(file.get(), 2, &t), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_find_tensor(file.get(), "c", &t), QL_NOT_FOUND);
}

TEST(GgufRead, ReportsWhatIsNoGgufFile) {
    TemporaryFolder folder;
    ql_gguf * file = nullptr;
    EXPECT_EQ(ql_gguf_open(folder.path("absent.gguf").c_str(), &file), QL_NOT_FOUND);
    EXPECT_EQ(ql_gguf_open(folder.path("").c_str(), &file), QL_IO) << "a directory";
    EXPECT_EQ(ql_gguf_open(folder.write("empty.gguf", "").c_str(), &file), QL_BAD_FILE);
    EXPECT_EQ(ql_gguf_open(folder.write("text.gguf", "hello world").c_str(), &file), QL_BAD_FILE);
    EXPECT_EQ(ql_gguf_open("/dev/null", &file), QL_IO);
    EXPECT_EQ(ql_gguf_open(nullptr, &file), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_open("x", nullptr), QL_INVALID_ARGUMENT);
    EXPECT_EQ(file, nullptr);
    ql_gguf_close(nullptr);
}

TEST(GgufRead, MessagesCannotControlTheTerminal) {
    TemporaryFolder folder;
    Bytes b;
    b.header(3, 1, 0).tensor("evil\x1b[2J\nname", {48}, QL_Q8_0, 0).raw(std::string(128, '\0'));
    ql_gguf * file = nullptr;
    ASSERT_EQ(ql_gguf_open(folder.write("m.gguf", b.data).c_str(), &file), QL_BAD_FILE);
    EXPECT_NE(std::string(ql_error_message()).find("evil?[2J?name"), std::string::npos) << ql_error_message();
}

/// Part `no` (from 0) of `count`, with one tensor of eight floats, all equal to `no`.
std::string shard(int no, int count, const std::string & tensor, int total) {
    Bytes b;
    b.header(3, 1, 3).key<uint16_t>("split.no", QL_GGUF_U16, static_cast<uint16_t>(no));
    b.key<uint16_t>("split.count", QL_GGUF_U16, static_cast<uint16_t>(count));
    b.key<int32_t>("split.tensors.count", QL_GGUF_I32, total).tensor(tensor, {8}, QL_F32, 0).pad(32);
    for (int i = 0; i < 8; i++) b.put(static_cast<float>(no));
    return b.data;
}

TEST(GgufShards, OpensAllPartsByTheFirst) {
    TemporaryFolder folder;
    const std::string first = folder.write("m-00001-of-00003.gguf", shard(0, 3, "a", 3));
    folder.write("m-00002-of-00003.gguf", shard(1, 3, "b", 3));
    folder.write("m-00003-of-00003.gguf", shard(2, 3, "c", 3));
    const GgufPtr file = open_gguf(first);
    ASSERT_TRUE(file) << ql_error_message();
    ASSERT_EQ(ql_gguf_n_tensors(file.get()), 3);
    for (const auto & [name, expected] : {std::pair{"a", 0.0f}, {"b", 1.0f}, {"c", 2.0f}}) {
        ql_gguf_tensor t;
        ASSERT_EQ(ql_gguf_find_tensor(file.get(), name, &t), QL_OK);
        EXPECT_STREQ(t.name, name);
        EXPECT_EQ(static_cast<const float *>(t.data)[7], expected);
    }
}

struct ShardCase {
    const char * name;
    std::string second;  // the second part's bytes, "" if there is no such file
    ql_status code;
    const char * message;
};

TEST(GgufShards, RejectsPartsThatDoNotFit) {
    const std::vector<ShardCase> cases = {
        {"missing", "", QL_NOT_FOUND, "part 2 of 2 of the model is missing"},
        {"same tensor", shard(1, 2, "a", 2), QL_BAD_FILE, "tensor 'a' is in another part too"},
        {"wrong number", shard(0, 2, "b", 2), QL_BAD_FILE, "key 'split.no' is 0"},
        {"wrong count", shard(1, 3, "b", 2), QL_BAD_FILE, "key 'split.count' is 3"},
        {"cut", shard(1, 2, "b", 2).substr(0, 100), QL_BAD_FILE, "m-00002-of-00002.gguf: "},
    };
    for (const ShardCase & c : cases) {
        TemporaryFolder folder;
        const std::string first = folder.write("m-00001-of-00002.gguf", shard(0, 2, "a", 2));
        if (!c.second.empty()) folder.write("m-00002-of-00002.gguf", c.second);
        ql_gguf * file = nullptr;
        EXPECT_EQ(ql_gguf_open(first.c_str(), &file), c.code) << c.name;
        EXPECT_NE(std::string(ql_error_message()).find(c.message), std::string::npos) << ql_error_message();
    }
}

TEST(GgufShards, RejectsOnePartTakenForTheWhole) {
    TemporaryFolder folder;
    ql_gguf * file = nullptr;
    EXPECT_EQ(ql_gguf_open(folder.write("renamed.gguf", shard(0, 3, "a", 3)).c_str(), &file), QL_BAD_FILE);
    const std::string second = folder.write("m-00002-of-00003.gguf", shard(1, 3, "b", 3));
    EXPECT_EQ(ql_gguf_open(second.c_str(), &file), QL_BAD_FILE);
    EXPECT_NE(std::string(ql_error_message()).find("m-00001-of-00003.gguf"), std::string::npos) << ql_error_message();
    // All parts are there, but there is one tensor fewer than the keys say.
    folder.write("n-00002-of-00002.gguf", shard(1, 2, "b", 3));
    EXPECT_EQ(ql_gguf_open(folder.write("n-00001-of-00002.gguf", shard(0, 2, "a", 3)).c_str(), &file), QL_BAD_FILE);
}

TEST(GgufRead, OpensRealVocabularies) {
    struct Vocab {
        const char * file;
        int64_t tokens;
        const char * first;
    };
    for (const Vocab & v : {Vocab{"ggml-vocab-gpt-2.gguf", 50257, "!"},
                            {"ggml-vocab-llama-bpe.gguf", 128256, "!"},
                            {"ggml-vocab-llama-spm.gguf", 32000, "<unk>"},
                            {"ggml-vocab-qwen2.gguf", 151936, "!"}}) {
        const auto path = shared_path(std::string("data/vocab/") + v.file);
        if (!path) GTEST_SKIP() << "the vocabularies are not there";
        const GgufPtr file = open_gguf(*path);
        ASSERT_TRUE(file) << ql_error_message();
        ql_gguf_array tokens;
        ASSERT_EQ(ql_gguf_get_array(file.get(), "tokenizer.ggml.tokens", &tokens), QL_OK);
        EXPECT_EQ(tokens.type, QL_GGUF_STRING);
        EXPECT_EQ(tokens.n, v.tokens);
        ql_gguf_string token;
        ASSERT_EQ(ql_gguf_array_string(file.get(), "tokenizer.ggml.tokens", 0, &token), QL_OK);
        EXPECT_EQ(std::string(token.data, token.size), v.first);
        EXPECT_EQ(ql_gguf_n_tensors(file.get()), 0);
    }
}

}  // namespace
}  // namespace ql::test
