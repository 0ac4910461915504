// GGUF adapter files that are refused, and adapters of which no file is written.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "models/adapters.hpp"
#include "ql/gguf.h"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

/// A writer of a sound one-branch adapter, for tests to spoil.
struct Draft {
    Draft() {
        ql_gguf_writer_create(&w);
        text("general.type", "adapter");
        text("general.architecture", "llama");
        text("adapter.type", "lora");
        ql_gguf_set_f32(w, "adapter.lora.alpha", 4);
    }
    ~Draft() { ql_gguf_writer_free(w); }
    void text(const char * key, const char * value) {
        EXPECT_EQ(ql_gguf_set_string(w, key, value, std::strlen(value)), QL_OK);
    }
    void add(const char * name, int64_t ne0, int64_t ne1, ql_dtype dtype = QL_F32, int64_t ne2 = 1) {
        const int64_t ne[3] = {ne0, ne1, ne2};
        EXPECT_EQ(ql_gguf_add_tensor(w, name, dtype, ne2 > 1 ? 3 : 2, ne, values.data()), QL_OK) << ql_error_message();
    }
    void good() {
        add("blk.0.attn_q.weight.lora_a", 64, 2);
        add("blk.0.attn_q.weight.lora_b", 2, 64);
    }
    ql_gguf_writer * w = nullptr;
    std::vector<float> values = std::vector<float>(1 << 16, 0.5f);
};

TEST(GgufAdapter, RejectsWhatLlamaCppRejects) {
    struct Row {
        const char * message;
        ql_status code;
        std::function<void(Draft &)> spoil;
    };
    const Row table[] = {
        {"general.type is 'model'", QL_BAD_FILE, [](Draft & d) { d.good(), d.text("general.type", "model"); }},
        {"general.type", QL_BAD_FILE,
         [](Draft & d) { d.good(), ql_gguf_set_int(d.w, "general.type", QL_GGUF_U32, 1); }},
        {"architecture 'qwen2', the model 'llama' is 'llama'", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.text("general.architecture", "qwen2"); }},
        {"adapter.type is 'control_vector'", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.text("adapter.type", "control_vector"); }},
        {"32-bit float", QL_BAD_FILE, [](Draft & d) { d.good(), ql_gguf_set_f64(d.w, "adapter.lora.alpha", 4); }},
        {"32-bit float", QL_BAD_FILE,
         [](Draft & d) { d.good(), ql_gguf_set_int(d.w, "adapter.lora.alpha", QL_GGUF_U32, 4); }},
        {"adapter.lora.alpha is not finite", QL_BAD_FILE,
         [](Draft & d) { d.good(), ql_gguf_set_f32(d.w, "adapter.lora.alpha", NAN); }},
        {"adapter.chat_template.date: '2025-02-30' is no date", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.text("adapter.chat_template.date", "2025-02-30"); }},
        {"adapter.chat_template.kwargs: chat_template_kwargs: a JSON object is needed", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.text("adapter.chat_template.kwargs", "[]"); }},
        {"an invocation with token 160; 0 to 159 are possible", QL_BAD_FILE,
         [](Draft & d) {
             const uint32_t token = 160;
             d.good(), ql_gguf_set_array(d.w, "adapter.alora.invocation_tokens", QL_GGUF_U32, &token, 1);
         }},
        {"adapter.alora.invocation_tokens must be an array of unsigned 32-bit integers", QL_BAD_FILE,
         [](Draft & d) {
             const int32_t token = 1;
             d.good(), ql_gguf_set_array(d.w, "adapter.alora.invocation_tokens", QL_GGUF_I32, &token, 1);
         }},
        {"the key 'adapter.lora.dora' is not known", QL_UNSUPPORTED,
         [](Draft & d) { d.good(), ql_gguf_set_bool(d.w, "adapter.lora.dora", 1); }},
        {"no matrices", QL_BAD_FILE, [](Draft &) {}},
        {"ends in neither", QL_BAD_FILE, [](Draft & d) { d.good(), d.add("rope_freqs.weight", 8, 1); }},
        {"only one of .lora_a and .lora_b", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.add("blk.0.attn_k.weight.lora_a", 64, 2); }},
        {"only one of .lora_a and .lora_b", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.add("blk.0.attn_k.weight.lora_b", 2, 32); }},
        {"has rank 2, 'blk.0.attn_k.weight.lora_b' has 3", QL_BAD_FILE,
         [](Draft & d) { d.add("blk.0.attn_k.weight.lora_a", 64, 2), d.add("blk.0.attn_k.weight.lora_b", 3, 32); }},
        {"'blk.9.attn_q.weight', which is no linear of the model", QL_BAD_FILE,
         [](Draft & d) { d.add("blk.9.attn_q.weight.lora_a", 64, 2), d.add("blk.9.attn_q.weight.lora_b", 2, 64); }},
        {"'token_embd.weight', which is no linear", QL_BAD_FILE,
         [](Draft & d) {
             d.good(), d.add("token_embd.weight.lora_a", 64, 2), d.add("token_embd.weight.lora_b", 2, 160);
         }},
        {"which is no linear", QL_BAD_FILE,
         [](Draft & d) {
             d.good(), d.add("blk.0.attn_norm.weight.lora_a", 64, 2), d.add("blk.0.attn_norm.weight.lora_b", 2, 1);
         }},
        {"is for a weight [576, 64], but 'blk.0.attn_q.weight' of the model 'llama' is [64, 64]", QL_BAD_FILE,
         [](Draft & d) { d.add("blk.0.attn_q.weight.lora_a", 576, 2), d.add("blk.0.attn_q.weight.lora_b", 2, 64); }},
        {"is for a weight [64, 63]", QL_BAD_FILE,
         [](Draft & d) { d.add("blk.0.attn_q.weight.lora_a", 64, 2), d.add("blk.0.attn_q.weight.lora_b", 2, 63); }},
        {"has rank 65, more than both sides of its weight [64, 32]", QL_BAD_SHAPE,
         [](Draft & d) { d.add("blk.0.attn_k.weight.lora_a", 64, 65), d.add("blk.0.attn_k.weight.lora_b", 65, 32); }},
        {"has 3 dimensions", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.add("blk.0.attn_k.weight.lora_a", 64, 2, QL_F32, 2); }},
        {"is i32", QL_UNSUPPORTED, [](Draft & d) { d.good(), d.add("blk.0.attn_k.weight.lora_a", 64, 2, QL_I32); }},
        {"is nf4;", QL_UNSUPPORTED, [](Draft & d) { d.good(), d.add("blk.0.attn_k.weight.lora_a", 64, 2, QL_NF4); }},
        {"rows of 'token_embd.weight': 128 values for 0 tokens", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.add("token_embd.weight.rows", 64, 2); }},
        {"'token_embd.weight.row_ids' is f32 of 2 dimensions; ids are i32 of one", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.add("token_embd.weight.row_ids", 2, 1); }},
        {"rows of 'token_embd.weight': 0 values for 2 tokens", QL_BAD_FILE,
         [](Draft & d) {
             static const int32_t ids[] = {1, 2};  // borrowed until the file is written
             const int64_t n = 2;
             d.good(), ql_gguf_add_tensor(d.w, "token_embd.weight.row_ids", QL_I32, 1, &n, ids);
         }},
        {"'token_embd.weight.rows' has 3 dimensions", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.add("token_embd.weight.rows", 64, 2, QL_F32, 2); }},
        {"holds nan at element 5", QL_NON_FINITE, [](Draft & d) { d.values[5] = NAN, d.good(); }},
    };
    TemporaryFolder folder;
    const std::string path = folder.path("bad.gguf");
    for (const Row & row : table) {
        Draft draft;
        row.spoil(draft);
        ASSERT_EQ(ql_gguf_write(draft.w, path.c_str()), QL_OK) << ql_error_message();
        const auto adapter = load_adapter(path, llama());
        ASSERT_FALSE(adapter.ok()) << row.message;
        EXPECT_EQ(adapter.code(), row.code) << adapter.message();
        EXPECT_NE(adapter.message().find(row.message), std::string::npos) << row.message << ": " << adapter.message();
        EXPECT_EQ(adapter.message().rfind(path, 0), 0u) << adapter.message();
    }
    Draft sound;
    sound.good();
    ASSERT_EQ(ql_gguf_write(sound.w, path.c_str()), QL_OK);
    ASSERT_TRUE(load_adapter(path, llama()).ok()) << load_adapter(path, llama()).message();
    EXPECT_EQ(load_adapter(path, llama())->matrices[0].scale, 2.0f);
    EXPECT_EQ(load_adapter(folder.path("absent.gguf"), llama()).code(), QL_NOT_FOUND);
}

TEST(GgufAdapter, MissingKeysAreFaultsOfTheFile) {
    TemporaryFolder folder;
    ql_gguf_writer * w = nullptr;
    ASSERT_EQ(ql_gguf_writer_create(&w), QL_OK);
    for (const char * key : {"general.type", "adapter.type", "general.architecture", "adapter.lora.alpha"}) {
        ASSERT_EQ(ql_gguf_write(w, folder.path("a.gguf").c_str()), QL_OK) << ql_error_message();
        const auto adapter = load_adapter(folder.path("a.gguf"), llama());
        EXPECT_EQ(adapter.code(), QL_BAD_FILE) << adapter.message();
        EXPECT_NE(adapter.message().find(key), std::string::npos) << adapter.message();
        const std::string value = std::string(key) == "general.type"   ? "adapter"
                                  : std::string(key) == "adapter.type" ? "lora"
                                                                       : "llama";
        ql_gguf_set_string(w, key, value.data(), value.size());
    }
    ql_gguf_writer_free(w);
}

TEST(GgufAdapter, NothingIsWrittenOfAnUnsoundAdapter) {
    TemporaryFolder folder;
    const std::string path = folder.write("old.gguf", "old");
    const auto refused = [&](const std::function<void(Adapter &)> & spoil, ql_status code) {
        Adapter adapter = filled();
        spoil(adapter);
        const Status saved = save_adapter(adapter, llama(), path);
        EXPECT_EQ(saved.code(), code) << saved.message();
        EXPECT_EQ(read_all(path), "old");
    };
    refused([](Adapter & a) { a.matrices[3].b[7] = INFINITY; }, QL_NON_FINITE);
    refused([](Adapter & a) { a.matrices[3].scale = NAN; }, QL_NON_FINITE);
    refused([](Adapter & a) { a.matrices[3].scale = 1e30f, a.matrices[3].b[0] = 1e30f; }, QL_NON_FINITE);
    refused([](Adapter & a) { a.matrices[3].a.pop_back(); }, QL_BAD_SHAPE);
    refused([](Adapter & a) { a.matrices[3].r = 0, a.matrices[3].a.clear(), a.matrices[3].b.clear(); }, QL_BAD_SHAPE);
    refused([](Adapter & a) { a.matrices[3] = a.matrices[2]; }, QL_BAD_FILE);
    refused([](Adapter & a) { a.matrices[3].weight = "token_embd.weight"; }, QL_BAD_FILE);
    refused([](Adapter & a) { a.matrices.clear(); }, QL_BAD_FILE);
    refused([](Adapter & a) { a.architecture = "qwen2"; }, QL_BAD_FILE);
    Adapter long_name = filled(2, "attn_q");
    long_name.matrices[0].weight = std::string(58, 'x');  // 65 bytes with its suffix
    const Status too_long = save_adapter_alone(long_name, path);
    EXPECT_EQ(too_long.code(), QL_UNSUPPORTED);
    EXPECT_NE(too_long.message().find("longer than the 63 bytes"), std::string::npos) << too_long.message();
    EXPECT_EQ(read_all(path), "old");
    EXPECT_EQ(folder.names().size(), 1u);
    EXPECT_EQ(save_adapter(filled(), llama(), folder.path("no/such/folder.gguf")).code(), QL_NOT_FOUND);
}

}  // namespace
}  // namespace ql::test
