// Writing: what is read back is what was written, bit for bit; what the reader would refuse is never written; a failure
// leaves nothing behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "ql/status.h"
#include "tests/gguf/builder.hpp"
#include "tests/gguf/open.hpp"
#include "tests/support/shared.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ql::test {
namespace {

std::string pattern(size_t size, unsigned seed) {
    std::string bytes(size, '\0');
    for (char & c : bytes) c = static_cast<char>((seed = seed * 1664525u + 1013904223u) >> 24);
    return bytes;
}

int copy_out(void * user, size_t offset, void * dst, size_t size) {
    std::memcpy(dst, static_cast<const std::string *>(user)->data() + offset, size);
    return 0;
}

std::string data_of(const GgufPtr & file, const char * name) {
    ql_gguf_tensor t;
    if (ql_gguf_find_tensor(file.get(), name, &t) != QL_OK) return ql_error_message();
    return {static_cast<const char *>(t.data), t.size};
}

TEST(GgufWrite, WritesTheBytesOfTheFormat) {
    const GgufWriterPtr w = new_writer();
    const std::string data = pattern(36, 1);
    const int64_t ne[] = {3, 3};
    ASSERT_EQ(ql_gguf_set_string(w.get(), "general.architecture", "llama", 5), QL_OK);
    ASSERT_EQ(ql_gguf_set_f32(w.get(), "adapter.lora.alpha", 16), QL_OK);
    ASSERT_EQ(ql_gguf_add_tensor(w.get(), "w", QL_F32, 2, ne, data.data()), QL_OK);
    TemporaryFolder folder;
    ASSERT_EQ(ql_gguf_write(w.get(), folder.path("m.gguf").c_str()), QL_OK) << ql_error_message();

    Bytes expected;
    expected.header(3, 1, 2).string_key("general.architecture", "llama").key("adapter.lora.alpha", QL_GGUF_F32, 16.0f);
    expected.tensor("w", {3, 3}, QL_F32, 0).pad(32).raw(data).pad(32);
    EXPECT_EQ(read_all(folder.path("m.gguf")), expected.data);
    EXPECT_EQ(ql_gguf_writer_size(w.get()), expected.data.size());
    EXPECT_EQ(folder.names(), std::vector<std::string>{"m.gguf"});
}

TEST(GgufWrite, EveryValueTypeComesBack) {
    const GgufWriterPtr w = new_writer();
    struct Int {
        const char * key;
        ql_gguf_type type;
        int64_t least, most;
    };
    const std::vector<Int> ints = {
        {"u8", QL_GGUF_U8, 0, 255},          {"i8", QL_GGUF_I8, -128, 127},
        {"u16", QL_GGUF_U16, 0, 65535},      {"i16", QL_GGUF_I16, -32768, 32767},
        {"u32", QL_GGUF_U32, 0, UINT32_MAX}, {"i32", QL_GGUF_I32, INT32_MIN, INT32_MAX},
        {"u64", QL_GGUF_U64, 0, INT64_MAX},  {"i64", QL_GGUF_I64, INT64_MIN, INT64_MAX},
    };
    for (const Int & i : ints) {
        ASSERT_EQ(ql_gguf_set_int(w.get(), (std::string(i.key) + ".least").c_str(), i.type, i.least), QL_OK);
        ASSERT_EQ(ql_gguf_set_int(w.get(), (std::string(i.key) + ".most").c_str(), i.type, i.most), QL_OK);
    }
    ASSERT_EQ(ql_gguf_set_f32(w.get(), "f32", 0.1f), QL_OK);
    ASSERT_EQ(ql_gguf_set_f64(w.get(), "f64", 0.1), QL_OK);
    ASSERT_EQ(ql_gguf_set_bool(w.get(), "bool", 5), QL_OK);
    ASSERT_EQ(ql_gguf_set_string(w.get(), "text", "a\0b", 3), QL_OK);
    ASSERT_EQ(ql_gguf_set_string(w.get(), "no text", nullptr, 0), QL_OK);
    const int16_t shorts[] = {1, -2, 3};
    ASSERT_EQ(ql_gguf_set_array(w.get(), "shorts", QL_GGUF_I16, shorts, 3), QL_OK);
    ASSERT_EQ(ql_gguf_set_array(w.get(), "none", QL_GGUF_F64, nullptr, 0), QL_OK);
    const ql_gguf_string strings[] = {{"x", 1}, {nullptr, 0}, {"yz", 2}};
    ASSERT_EQ(ql_gguf_set_strings(w.get(), "strings", strings, 3), QL_OK);
    TemporaryFolder folder;
    ASSERT_EQ(ql_gguf_write(w.get(), folder.path("m.gguf").c_str()), QL_OK) << ql_error_message();

    const GgufPtr f = open_gguf(folder.path("m.gguf"));
    ASSERT_TRUE(f) << ql_error_message();
    for (const Int & i : ints) {
        int64_t least = 1, most = 1;
        ql_gguf_type type;
        EXPECT_EQ(ql_gguf_get_int(f.get(), (std::string(i.key) + ".least").c_str(), &least), QL_OK);
        EXPECT_EQ(ql_gguf_get_int(f.get(), (std::string(i.key) + ".most").c_str(), &most), QL_OK);
        EXPECT_EQ(ql_gguf_key_type(f.get(), (std::string(i.key) + ".most").c_str(), &type), QL_OK);
        EXPECT_EQ(least, i.least) << i.key;
        EXPECT_EQ(most, i.most) << i.key;
        EXPECT_EQ(type, i.type);
    }
    double value = 0;
    EXPECT_EQ(ql_gguf_get_float(f.get(), "f32", &value), QL_OK);
    EXPECT_EQ(static_cast<float>(value), 0.1f);
    EXPECT_EQ(ql_gguf_get_float(f.get(), "f64", &value), QL_OK);
    EXPECT_EQ(value, 0.1);
    int yes = 0;
    EXPECT_EQ(ql_gguf_get_bool(f.get(), "bool", &yes), QL_OK);
    EXPECT_EQ(yes, 1);
    ql_gguf_string text;
    EXPECT_EQ(ql_gguf_get_string(f.get(), "text", &text), QL_OK);
    EXPECT_EQ(std::string(text.data, text.size), std::string("a\0b", 3));
    ql_gguf_array array;
    ASSERT_EQ(ql_gguf_get_array(f.get(), "shorts", &array), QL_OK);
    EXPECT_EQ(std::memcmp(array.data, shorts, sizeof shorts), 0);
    EXPECT_EQ(ql_gguf_get_array(f.get(), "none", &array), QL_OK);
    EXPECT_EQ(array.n, 0);
    EXPECT_EQ(ql_gguf_array_string(f.get(), "strings", 2, &text), QL_OK);
    EXPECT_EQ(std::string(text.data, text.size), "yz");
}

TEST(GgufWrite, ReplacesAKeySetAgainInItsPlace) {
    const GgufWriterPtr w = new_writer();
    ASSERT_EQ(ql_gguf_set_f32(w.get(), "a", 1), QL_OK);
    ASSERT_EQ(ql_gguf_set_f32(w.get(), "b", 2), QL_OK);
    ASSERT_EQ(ql_gguf_set_string(w.get(), "a", "now text", 8), QL_OK);
    TemporaryFolder folder;
    ASSERT_EQ(ql_gguf_write(w.get(), folder.path("m.gguf").c_str()), QL_OK);
    const GgufPtr f = open_gguf(folder.path("m.gguf"));
    ASSERT_TRUE(f) << ql_error_message();
    ASSERT_EQ(ql_gguf_n_keys(f.get()), 2);
    EXPECT_STREQ(ql_gguf_key(f.get(), 0), "a");
    ql_gguf_string text;
    EXPECT_EQ(ql_gguf_get_string(f.get(), "a", &text), QL_OK);
}

TEST(GgufWrite, TensorsOfEveryKindComeBack) {
    const GgufWriterPtr w = new_writer();
    const std::string f32 = pattern(7 * 3 * 4, 1), q8 = pattern(34 * 5, 2);
    std::string large = pattern((3 << 20) + 68 - (3 << 20) % 68, 3), nf4 = pattern(ql_dtype_bytes(QL_NF4, 64 * 5), 4);
    std::string dq = pattern(ql_dtype_bytes(QL_NF4_DQ, 64 * 3), 5);
    const int64_t ne_f32[] = {7, 3}, ne_q8[] = {32, 5, 1, 1}, ne_nf4[] = {64, 5}, ne_dq[] = {192},
                  ne_large[] = {static_cast<int64_t>(large.size() / 34 * 32)};
    ASSERT_EQ(ql_gguf_add_tensor(w.get(), "f32", QL_F32, 2, ne_f32, f32.data()), QL_OK);
    ASSERT_EQ(ql_gguf_add_produced(w.get(), "nf4", QL_NF4, 2, ne_nf4, copy_out, &nf4), QL_OK);
    ASSERT_EQ(ql_gguf_add_tensor(w.get(), "q8", QL_Q8_0, 4, ne_q8, q8.data()), QL_OK);
    ASSERT_EQ(ql_gguf_add_produced(w.get(), "dq", QL_NF4_DQ, 1, ne_dq, copy_out, &dq), QL_OK);
    ASSERT_EQ(ql_gguf_add_produced(w.get(), "large", QL_Q8_0, 1, ne_large, copy_out, &large), QL_OK)
        << ql_error_message();
    TemporaryFolder folder;
    ASSERT_EQ(ql_gguf_write(w.get(), folder.path("m.gguf").c_str()), QL_OK) << ql_error_message();

    const GgufPtr f = open_gguf(folder.path("m.gguf"));
    ASSERT_TRUE(f) << ql_error_message();
    EXPECT_EQ(data_of(f, "f32"), f32);
    EXPECT_EQ(data_of(f, "nf4"), nf4);
    EXPECT_EQ(data_of(f, "q8"), q8);
    EXPECT_EQ(data_of(f, "dq"), dq);
    EXPECT_EQ(data_of(f, "large"), large);
    int64_t alignment = 0;
    EXPECT_EQ(ql_gguf_get_int(f.get(), "general.alignment", &alignment), QL_OK);
    EXPECT_EQ(alignment, 64);
    for (int64_t i = 0; i < 5; i++) {
        ql_gguf_tensor t;
        ASSERT_EQ(ql_gguf_tensor_at(f.get(), i, &t), QL_OK);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(t.data) % 64, 0u) << t.name;
    }
    EXPECT_EQ(read_all(folder.path("m.gguf")).size(), ql_gguf_writer_size(w.get()));
}

TEST(GgufWrite, CopiesKeysBitForBit) {
    const auto path = shared_path("data/vocab/ggml-vocab-llama-bpe.gguf");
    if (!path) GTEST_SKIP() << "the vocabularies are not there";
    const GgufPtr source = open_gguf(*path);
    ASSERT_TRUE(source) << ql_error_message();
    const GgufWriterPtr w = new_writer();
    ASSERT_EQ(ql_gguf_copy_keys(w.get(), source.get()), QL_OK);
    TemporaryFolder folder;
    ASSERT_EQ(ql_gguf_write(w.get(), folder.path("v.gguf").c_str()), QL_OK) << ql_error_message();
    std::string original = read_all(*path), copy = read_all(folder.path("v.gguf"));
    const size_t n = std::min(original.size(), copy.size());  // equal but for the version, and padding at the end
    original[4] = copy[4];
    EXPECT_TRUE(original.substr(0, n) == copy.substr(0, n));
    EXPECT_LT(std::max(original.size(), copy.size()) - n, 32u);
}

TEST(GgufWrite, CopiedKeysDoNotDescribeTheOldFile) {
    Bytes b;
    b.header(3, 0, 4).key("general.alignment", QL_GGUF_U32, 128u).key<uint16_t>("split.no", QL_GGUF_U16, 0);
    b.key<uint16_t>("split.count", QL_GGUF_U16, 1).key<uint8_t>("kept", QL_GGUF_BOOL, 1);
    TemporaryFolder folder;
    const GgufPtr source = open_gguf(folder.write("a.gguf", b.data));
    ASSERT_TRUE(source) << ql_error_message();
    const GgufWriterPtr w = new_writer();
    ASSERT_EQ(ql_gguf_copy_keys(w.get(), source.get()), QL_OK);
    ASSERT_EQ(ql_gguf_write(w.get(), folder.path("b.gguf").c_str()), QL_OK);
    const GgufPtr f = open_gguf(folder.path("b.gguf"));
    ASSERT_EQ(ql_gguf_n_keys(f.get()), 1);
    EXPECT_STREQ(ql_gguf_key(f.get(), 0), "kept");
}

TEST(GgufWrite, RefusesWhatTheReaderWouldReject) {
    const GgufWriterPtr w = new_writer();
    const int64_t good[] = {64}, zero[] = {0}, odd[] = {48}, huge[] = {INT64_MAX, 2}, five[] = {1, 1, 1, 1, 1};
    const std::string data(64 * 4, '\0');
    ql_gguf_writer * const p = w.get();
    EXPECT_EQ(ql_gguf_set_f32(p, "", 1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_f32(p, std::string(65536, 'k').c_str(), 1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_int(p, "k", QL_GGUF_U8, 256), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_int(p, "k", QL_GGUF_I8, -129), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_int(p, "k", QL_GGUF_U64, -1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_int(p, "k", QL_GGUF_F32, 1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_int(p, "k", QL_GGUF_BOOL, 1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_int(p, "general.alignment", QL_GGUF_U32, 8), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_array(p, "k", QL_GGUF_STRING, data.data(), 1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_array(p, "k", QL_GGUF_ARRAY, data.data(), 1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_array(p, "k", QL_GGUF_U8, nullptr, 1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_array(p, "k", QL_GGUF_U8, data.data(), -1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_array(p, "k", QL_GGUF_BOOL, "\2", 1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_set_string(p, "k", nullptr, 1), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_add_tensor(p, "", QL_F32, 1, good, data.data()), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_add_tensor(p, std::string(64, 'n').c_str(), QL_F32, 1, good, data.data()), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_add_tensor(p, "t", QL_F32, 1, zero, data.data()), QL_BAD_SHAPE);
    EXPECT_EQ(ql_gguf_add_tensor(p, "t", QL_F32, 2, huge, data.data()), QL_BAD_SHAPE);
    EXPECT_EQ(ql_gguf_add_tensor(p, "t", QL_F32, 5, five, data.data()), QL_BAD_SHAPE);
    EXPECT_EQ(ql_gguf_add_tensor(p, "t", QL_F32, 0, good, data.data()), QL_BAD_SHAPE);
    EXPECT_EQ(ql_gguf_add_tensor(p, "t", QL_Q8_0, 1, odd, data.data()), QL_BAD_SHAPE);
    EXPECT_EQ(ql_gguf_add_tensor(p, "t", static_cast<ql_dtype>(4), 1, good, data.data()), QL_BAD_DTYPE);
    EXPECT_EQ(ql_gguf_add_tensor(p, "t", QL_F32, 1, good, nullptr), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_gguf_add_tensor(p, "t", QL_F32, 1, good, data.data()), QL_OK);
    EXPECT_EQ(ql_gguf_add_tensor(p, "t", QL_F32, 1, good, data.data()), QL_INVALID_ARGUMENT) << "twice";
    EXPECT_EQ(ql_gguf_set_f32(nullptr, "k", 1), QL_INVALID_ARGUMENT);
    TemporaryFolder folder;
    ASSERT_EQ(ql_gguf_write(p, folder.path("m.gguf").c_str()), QL_OK);
    const GgufPtr f = open_gguf(folder.path("m.gguf"));
    EXPECT_EQ(ql_gguf_n_keys(f.get()), 0) << "a refused key left a trace";
    EXPECT_EQ(ql_gguf_n_tensors(f.get()), 1);
}

int refuse(void *, size_t, void *, size_t) {
    return ql_set_error(QL_NON_FINITE, "NaN at element 7");
}
int stop(void *, size_t, void *, size_t) {
    return -1;
}
int throw_up(void *, size_t, void *, size_t) {
    throw std::runtime_error("from a C++ user");
}

TEST(GgufWrite, AFailedProducerLeavesTheOldFileAndNothingElse) {
    for (const auto & [produce, code] : {std::pair<ql_gguf_produce, ql_status>{refuse, QL_NON_FINITE},
                                         {stop, QL_CANCELLED},
                                         {throw_up, QL_INTERNAL}}) {
        TemporaryFolder folder;
        const std::string path = folder.write("m.gguf", "old");
        const GgufWriterPtr w = new_writer();
        const int64_t ne[] = {8};
        ASSERT_EQ(ql_gguf_add_produced(w.get(), "blk.0.w", QL_F32, 1, ne, produce, nullptr), QL_OK);
        EXPECT_EQ(ql_gguf_write(w.get(), path.c_str()), code);
        if (produce == refuse) {
            EXPECT_STREQ(ql_error_message(), "tensor 'blk.0.w': NaN at element 7");
        }
        EXPECT_EQ(read_all(path), "old");
        EXPECT_EQ(folder.names(), std::vector<std::string>{"m.gguf"});
    }
}

TEST(GgufWrite, ReportsPathsThatCannotBeWritten) {
    TemporaryFolder folder;
    const GgufWriterPtr w = new_writer();
    EXPECT_EQ(ql_gguf_write(w.get(), folder.path("absent/m.gguf").c_str()), QL_NOT_FOUND);
    EXPECT_EQ(ql_gguf_write(w.get(), folder.path("").c_str()), QL_IO);
    EXPECT_EQ(ql_gguf_write(w.get(), "/dev/null"), QL_IO);
    EXPECT_EQ(ql_gguf_write(w.get(), nullptr), QL_INVALID_ARGUMENT);
}

TEST(GgufWrite, ChecksFreeSpaceBeforeItWrites) {
    TemporaryFolder folder;
    const GgufWriterPtr w = new_writer();
    const int64_t ne[] = {int64_t{1} << 55};  // larger than any disk
    ASSERT_EQ(ql_gguf_add_produced(w.get(), "w", QL_F32, 1, ne, throw_up, nullptr), QL_OK) << ql_error_message();
    EXPECT_EQ(ql_gguf_write(w.get(), folder.path("m.gguf").c_str()), QL_NO_SPACE);
    EXPECT_TRUE(folder.names().empty());
}

TEST(GgufWrite, AnOpenFileKeepsItsBytesWhenItIsReplaced) {
    TemporaryFolder folder;
    const std::string path = folder.path("m.gguf"), before = pattern(4096, 1), after = pattern(4096, 2);
    const int64_t ne[] = {1024};
    for (const std::string * data : {&before, &after}) {
        const GgufPtr old = open_gguf(path);  // null in the first round
        const GgufWriterPtr w = new_writer();
        ASSERT_EQ(ql_gguf_add_tensor(w.get(), "w", QL_F32, 1, ne, data->data()), QL_OK);
        ASSERT_EQ(ql_gguf_write(w.get(), path.c_str()), QL_OK);
        if (old) {
            EXPECT_EQ(data_of(old, "w"), before);
        }
    }
    EXPECT_EQ(data_of(open_gguf(path), "w"), after);
}

}  // namespace
}  // namespace ql::test
