// GGUF adapter files: what is written, and that it comes back.
#include <gtest/gtest.h>

#include <map>

#include "models/adapters.hpp"
#include "ql/gguf.h"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

struct OpenGguf {
    explicit OpenGguf(const std::string & path) {
        EXPECT_EQ(ql_gguf_open(path.c_str(), &file), QL_OK) << ql_error_message();
    }
    ~OpenGguf() { ql_gguf_close(file); }
    std::string text(const char * key) const {
        ql_gguf_string s{};
        EXPECT_EQ(ql_gguf_get_string(file, key, &s), QL_OK) << ql_error_message();
        return {s.data, s.size};
    }
    ql_gguf * file = nullptr;
};

TEST(GgufAdapter, ComesBackAsItWas) {
    TemporaryFolder folder;
    Adapter adapter = filled();
    adapter.chat_template = "{{ messages }}";
    adapter.chat_date = "2024-02-29";
    adapter.chat_kwargs = R"({"enable_thinking":false})";
    adapter.name = "odd";
    const Status saved = save_adapter(adapter, llama(), folder.path("a.gguf"));
    ASSERT_TRUE(saved.ok()) << saved.message();
    const auto loaded = load_adapter(folder.path("a.gguf"), llama());
    ASSERT_TRUE(loaded.ok()) << loaded.message();
    expect_identical(adapter, *loaded);
    EXPECT_EQ(loaded->architecture, "llama");
    EXPECT_EQ(loaded->name, "odd");
    EXPECT_EQ(loaded->base_name, "llama");
    EXPECT_EQ(loaded->chat_template, "{{ messages }}");
    EXPECT_EQ(loaded->chat_date, "2024-02-29");
    EXPECT_EQ(loaded->chat_kwargs, R"({"enable_thinking":false})");
    EXPECT_EQ(loaded->n_parameters(), adapter.n_parameters());
}

TEST(GgufAdapter, HasTheKeysAndNamesThatLlamaCppAsksFor) {
    TemporaryFolder folder;
    ASSERT_TRUE(save_adapter(filled(), llama(), folder.path("a.gguf")).ok());
    const OpenGguf gguf(folder.path("a.gguf"));
    EXPECT_EQ(gguf.text("general.type"), "adapter");
    EXPECT_EQ(gguf.text("general.architecture"), "llama");
    EXPECT_EQ(gguf.text("adapter.type"), "lora");
    ql_gguf_type type;
    ASSERT_EQ(ql_gguf_key_type(gguf.file, "adapter.lora.alpha", &type), QL_OK);
    EXPECT_EQ(type, QL_GGUF_F32);
    double alpha = 0;
    ASSERT_EQ(ql_gguf_get_float(gguf.file, "adapter.lora.alpha", &alpha), QL_OK);
    EXPECT_EQ(alpha, 6.0);
    ql_gguf_tensor a{}, b{};
    ASSERT_EQ(ql_gguf_find_tensor(gguf.file, "blk.2.ffn_down.weight.lora_a", &a), QL_OK);
    ASSERT_EQ(ql_gguf_find_tensor(gguf.file, "blk.2.ffn_down.weight.lora_b", &b), QL_OK);
    EXPECT_EQ(a.ne[0], 128);
    EXPECT_EQ(a.ne[1], 3);
    EXPECT_EQ(b.ne[0], 3);
    EXPECT_EQ(b.ne[1], 64);
    EXPECT_EQ(a.dtype, QL_F32);
    EXPECT_EQ(ql_gguf_n_tensors(gguf.file), 42);
}

TEST(GgufAdapter, SameAdapterGivesSameBytes) {
    TemporaryFolder folder;
    ASSERT_TRUE(save_adapter(filled(), llama(), folder.path("a.gguf")).ok());
    ASSERT_TRUE(save_adapter(filled(), llama(), folder.path("b.gguf")).ok());
    ASSERT_TRUE(
        save_adapter(load_adapter(folder.path("a.gguf"), llama()).value(), llama(), folder.path("c.gguf")).ok());
    const std::string bytes = read_all(folder.path("a.gguf"));
    EXPECT_GT(bytes.size(), 10000u);
    EXPECT_EQ(bytes, read_all(folder.path("b.gguf")));
    EXPECT_EQ(bytes, read_all(folder.path("c.gguf")));
    EXPECT_EQ(folder.names().size(), 3u);
}

TEST(GgufAdapter, RanksAndScalesMayDiffer) {
    TemporaryFolder folder;
    Adapter adapter = filled(3, "attn");
    for (const LoraMatrix & m : filled(5, "mlp").matrices) adapter.matrices.push_back(m);
    adapter.matrices[1].scale = 0;
    adapter.matrices[2].scale = 0.3f;
    adapter.matrices[3].scale = -1;
    ASSERT_TRUE(save_adapter(adapter, llama(), folder.path("a.gguf")).ok());
    const auto loaded = load_adapter(folder.path("a.gguf"), llama());
    ASSERT_TRUE(loaded.ok()) << loaded.message();
    expect_same_meaning(adapter, *loaded, 1e-6);
    EXPECT_EQ(find(*loaded, "blk.0.ffn_up.weight")->r, 5);
    for (const LoraMatrix & m : loaded->matrices) EXPECT_FLOAT_EQ(m.scale * static_cast<float>(m.r), 6.0f);
}

/// Where the first branch's scale went into B, its alpha must not be another one on the next round.
TEST(GgufAdapter, IsWrittenAgainAsItIsWhateverTheScales) {
    TemporaryFolder folder;
    Adapter adapter = filled(3, "attn");
    for (const float scale : {0.74609375f, 0.1f, 1.7f, 1e-3f, 33.3f}) {
        adapter.matrices[0].scale = 0;
        for (size_t i = 1; i < adapter.matrices.size(); ++i) adapter.matrices[i].scale = scale;
        adapter.matrices[1].r = 29;
        adapter.matrices[1].a.resize(static_cast<size_t>(29 * adapter.matrices[1].k), 0.5f);
        adapter.matrices[1].b.resize(static_cast<size_t>(29 * adapter.matrices[1].m), 0.5f);
        ASSERT_TRUE(save_adapter(adapter, llama(), folder.path("a.gguf")).ok());
        const Adapter read = load_adapter(folder.path("a.gguf"), llama()).value();
        ASSERT_TRUE(save_adapter(read, llama(), folder.path("b.gguf")).ok());
        EXPECT_EQ(read_all(folder.path("a.gguf")), read_all(folder.path("b.gguf"))) << scale;
    }
}

TEST(GgufAdapter, AnAdapterOfScaleZeroStaysWithoutEffect) {
    TemporaryFolder folder;
    Adapter adapter = filled();
    for (LoraMatrix & m : adapter.matrices) m.scale = 0;
    ASSERT_TRUE(save_adapter(adapter, llama(), folder.path("a.gguf")).ok());
    const Adapter loaded = load_adapter(folder.path("a.gguf"), llama()).value();
    for (const LoraMatrix & m : loaded.matrices)
        for (const double v : product(m)) ASSERT_EQ(v, 0.0);
}

TEST(GgufAdapter, ReadsSixteenAndEightBits) {
    TemporaryFolder folder;
    const Adapter adapter = new_adapter(llama(), {32, 64, false, "attn_q", 3}).value();
    for (const ql_dtype dtype : {QL_F16, QL_BF16, QL_Q8_0}) {
        ql_gguf_writer * w = nullptr;
        ASSERT_EQ(ql_gguf_writer_create(&w), QL_OK);
        ql_gguf_set_string(w, "general.type", "adapter", 7);
        ql_gguf_set_string(w, "general.architecture", "llama", 5);
        ql_gguf_set_string(w, "adapter.type", "lora", 4);
        ql_gguf_set_f32(w, "adapter.lora.alpha", 0);  // means: scale 1
        std::map<std::string, std::vector<uint8_t>> kept;
        for (const LoraMatrix & m : adapter.matrices)
            for (const bool is_a : {true, false}) {
                const std::string name = m.weight + (is_a ? ".lora_a" : ".lora_b");
                const std::vector<float> & values = is_a ? m.a : m.b;
                const auto n = static_cast<int64_t>(values.size());
                kept[name].resize(ql_dtype_bytes(dtype, n));
                ASSERT_EQ(ql_encode(dtype, values.data(), n, kept[name].data()), QL_OK) << ql_error_message();
                const int64_t ne[2] = {is_a ? m.k : m.r, is_a ? m.r : m.m};
                ASSERT_EQ(ql_gguf_add_tensor(w, name.c_str(), dtype, 2, ne, kept[name].data()), QL_OK);
            }
        ASSERT_EQ(ql_gguf_write(w, folder.path("h.gguf").c_str()), QL_OK) << ql_error_message();
        ql_gguf_writer_free(w);
        const auto loaded = load_adapter(folder.path("h.gguf"), llama());
        ASSERT_TRUE(loaded.ok()) << loaded.message();
        EXPECT_EQ(loaded->matrices[0].scale, 1.0f);
        for (size_t i = 0; i < adapter.matrices[0].a.size(); ++i)
            ASSERT_NEAR(loaded->matrices[0].a[i], adapter.matrices[0].a[i], 1e-3) << ql_dtype_name(dtype);
    }
}

}  // namespace
}  // namespace ql::test
