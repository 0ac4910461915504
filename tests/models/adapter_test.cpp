// Adapters: making, GGUF and PEFT files both ways, what is refused, and the C API.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include "models/adapter/adapter.hpp"
#include "models/arch/model.hpp"
#include "models/hf/rope_order.hpp"
#include "ql/adapter.h"
#include "support/raw_safetensors.hpp"
#include "support/safetensors.hpp"
#include "support/shared.hpp"
#include "support/temporary_folder.hpp"

namespace ql {
namespace {

using Json = nlohmann::ordered_json;

const Model & llama() {  // 3 layers, 64 wide, 4 heads of 16, 2 key-value heads, feed-forward 128
    static const std::unique_ptr<Model> model = [] {
        auto opened =
            Model::open(test::golden_path("arch/llama"), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        if (!opened.ok()) throw std::runtime_error(opened.message());
        return std::move(opened).value();
    }();
    return *model;
}

const LoraMatrix * find(const Adapter & adapter, const std::string & weight) {
    for (const LoraMatrix & m : adapter.matrices)
        if (m.weight == weight) return &m;
    return nullptr;
}

/// An adapter in which every number is another one: B too.
Adapter filled(int r = 3, const char * targets = "all") {
    Adapter adapter = new_adapter(llama(), {r, 6.0f, false, targets, 7}).value();
    float next = 0.5f;
    for (LoraMatrix & m : adapter.matrices)
        for (float & v : m.b) v = (next += 0.25f);
    return adapter;
}

/// s B A, which is what an adapter means however its factors are stored: [k, m].
std::vector<double> product(const LoraMatrix & m) {
    std::vector<double> w(static_cast<size_t>(m.k * m.m));
    for (int64_t row = 0; row < m.m; ++row)
        for (int64_t j = 0; j < m.r; ++j)
            for (int64_t i = 0; i < m.k; ++i)
                w[static_cast<size_t>(row * m.k + i)] += static_cast<double>(m.scale) *
                                                         static_cast<double>(m.b[static_cast<size_t>(row * m.r + j)]) *
                                                         static_cast<double>(m.a[static_cast<size_t>(j * m.k + i)]);
    return w;
}

void expect_same_meaning(const Adapter & x, const Adapter & y, double tolerance) {
    ASSERT_EQ(x.matrices.size(), y.matrices.size());
    for (const LoraMatrix & m : x.matrices) {
        const LoraMatrix * other = find(y, m.weight);
        ASSERT_NE(other, nullptr) << m.weight;
        EXPECT_EQ(m.r, other->r);
        const auto p = product(m), q = product(*other);
        double worst = 0, norm = 0;
        for (size_t i = 0; i < p.size(); ++i)
            worst = std::max(worst, std::fabs(p[i] - q[i])), norm = std::max(norm, std::fabs(p[i]));
        EXPECT_LE(worst, tolerance * norm) << m.weight;
    }
}

void expect_identical(const Adapter & x, const Adapter & y) {
    ASSERT_EQ(x.matrices.size(), y.matrices.size());
    for (size_t i = 0; i < x.matrices.size(); ++i) {
        const LoraMatrix &m = x.matrices[i], &n = y.matrices[i];
        EXPECT_EQ(m.weight, n.weight);
        EXPECT_EQ(m.r, n.r);
        EXPECT_EQ(m.scale, n.scale) << m.weight;
        EXPECT_EQ(m.a, n.a) << m.weight;
        EXPECT_EQ(m.b, n.b) << m.weight;
    }
}

// ---- a new adapter
// ---------------------------------------------------------------------------------------------------

TEST(NewAdapter, CoversEveryLinearWithUniformAAndZeroB) {
    const Adapter adapter = new_adapter(llama(), {}).value();
    EXPECT_EQ(adapter.matrices.size(), 21u);
    EXPECT_EQ(adapter.architecture, "llama");
    EXPECT_EQ(find(adapter, "token_embd.weight"), nullptr);
    EXPECT_EQ(find(adapter, "output.weight"), nullptr);
    double sum = 0, squares = 0;
    int64_t n = 0;
    for (const LoraMatrix & m : adapter.matrices) {
        EXPECT_EQ(m.scale, 2.0f);
        const double bound = 1 / std::sqrt(static_cast<double>(m.k));
        for (const float v : m.a) {
            ASSERT_LT(std::fabs(v), bound);
            sum += static_cast<double>(v) / bound,
                squares += static_cast<double>(v) * static_cast<double>(v) / bound / bound, ++n;
        }
        for (const float v : m.b) ASSERT_EQ(v, 0.0f);
        EXPECT_EQ(m.a.size(), static_cast<size_t>(m.k * 16));
        EXPECT_EQ(m.b.size(), static_cast<size_t>(m.m * 16));
    }
    EXPECT_NEAR(sum / static_cast<double>(n), 0, 0.02);  // of U(-1, 1): mean 0, variance 1/3
    EXPECT_NEAR(squares / static_cast<double>(n), 1 / 3.0, 0.01);
    const LoraMatrix * k = find(adapter, "blk.1.attn_k.weight");
    EXPECT_EQ(k->k, 64);
    EXPECT_EQ(k->m, 32);
}

TEST(NewAdapter, NumbersDependOnSeedWeightAndElementAlone) {
    const Adapter all = new_adapter(llama(), {5, 8, false, "all", 1}).value();
    const Adapter some = new_adapter(llama(), {5, 8, false, "attn_v", 1}).value();
    const Adapter wider = new_adapter(llama(), {7, 8, false, "attn_v", 1}).value();
    const Adapter other = new_adapter(llama(), {5, 8, false, "attn_v", uint64_t{1} << 32}).value();
    const LoraMatrix *x = find(all, "blk.2.attn_v.weight"), *y = find(some, "blk.2.attn_v.weight");
    EXPECT_EQ(x->a, y->a);
    EXPECT_TRUE(std::equal(x->a.begin(), x->a.end(), find(wider, "blk.2.attn_v.weight")->a.begin()));
    EXPECT_NE(x->a, find(other, "blk.2.attn_v.weight")->a);
    EXPECT_NE(x->a, find(all, "blk.1.attn_v.weight")->a);
}

TEST(NewAdapter, RsloraScalesByTheRoot) {
    EXPECT_EQ(new_adapter(llama(), {16, 32, true, "mlp", 1})->matrices[0].scale, 8.0f);
    EXPECT_FLOAT_EQ(new_adapter(llama(), {12, 32, false, "mlp", 1})->matrices[0].scale, 32.0f / 12);
}

TEST(NewAdapter, TargetsSelect) {
    const auto count = [](const char * targets) {
        return new_adapter(llama(), {4, 8, false, targets, 1})->matrices.size();
    };
    EXPECT_EQ(count("all"), 21u);
    EXPECT_EQ(count("attn"), 12u);
    EXPECT_EQ(count("mlp"), 9u);
    EXPECT_EQ(count("attn_(q|v)"), 6u);
    EXPECT_EQ(count(R"(^blk\.[12]\.ffn_down\.weight$)"), 2u);
}

TEST(NewAdapter, RejectsWhatCannotBe) {
    struct Row {
        LoraOptions options;
        const char * message;
    };
    const Row table[] = {
        {{0, 8, false, "all", 1}, "LoRA r is 0, 1 to 64 are possible"},
        {{-1, 8, false, "all", 1}, "LoRA r is -1"},
        {{65, 8, false, "all", 1}, "LoRA r is 65"},
        {{33, 8, false, "attn_k", 1}, "LoRA r is 33, 1 to 32 are possible"},
        {{1000000000, 8, false, "all", 1}, "LoRA r is 1000000000"},
        {{4, 0, false, "all", 1}, "LoRA alpha is 0"},
        {{4, -1, false, "all", 1}, "LoRA alpha is -1"},
        {{4, NAN, false, "all", 1}, "LoRA alpha is nan"},
        {{4, INFINITY, false, "all", 1}, "LoRA alpha is inf"},
        {{4, 8, false, "q_proj", 1}, "attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up, ffn_down"},
        {{4, 8, false, "", 1}, "match none"},
        {{4, 8, false, "token_embd", 1}, "match none"},
        {{4, 8, false, "attn_(q", 1}, "at character 7"},
        {{4, 8, false, "(\\w+\\w+)+\\d!", 1}, "regular expression"},
    };
    for (const Row & row : table) {
        const auto adapter = new_adapter(llama(), row.options);
        ASSERT_FALSE(adapter.ok()) << row.message;
        if (row.options.targets.find('!') != std::string::npos)
            continue;  // no match, or too many steps: both are errors
        EXPECT_EQ(adapter.code(), QL_INVALID_ARGUMENT);
        EXPECT_NE(adapter.message().find(row.message), std::string::npos) << adapter.message();
    }
}

// ---- GGUF
// ------------------------------------------------------------------------------------------------------------

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
    test::TemporaryFolder folder;
    Adapter adapter = filled();
    adapter.chat_template = "{{ messages }}";
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
    EXPECT_EQ(loaded->n_parameters(), adapter.n_parameters());
}

TEST(GgufAdapter, HasTheKeysAndNamesThatLlamaCppAsksFor) {
    test::TemporaryFolder folder;
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
    test::TemporaryFolder folder;
    ASSERT_TRUE(save_adapter(filled(), llama(), folder.path("a.gguf")).ok());
    ASSERT_TRUE(save_adapter(filled(), llama(), folder.path("b.gguf")).ok());
    ASSERT_TRUE(
        save_adapter(load_adapter(folder.path("a.gguf"), llama()).value(), llama(), folder.path("c.gguf")).ok());
    const std::string bytes = test::read_all(folder.path("a.gguf"));
    EXPECT_GT(bytes.size(), 10000u);
    EXPECT_EQ(bytes, test::read_all(folder.path("b.gguf")));
    EXPECT_EQ(bytes, test::read_all(folder.path("c.gguf")));
    EXPECT_EQ(folder.names().size(), 3u);
}

TEST(GgufAdapter, RanksAndScalesMayDiffer) {
    test::TemporaryFolder folder;
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

TEST(GgufAdapter, AnAdapterOfScaleZeroStaysWithoutEffect) {
    test::TemporaryFolder folder;
    Adapter adapter = filled();
    for (LoraMatrix & m : adapter.matrices) m.scale = 0;
    ASSERT_TRUE(save_adapter(adapter, llama(), folder.path("a.gguf")).ok());
    const Adapter loaded = load_adapter(folder.path("a.gguf"), llama()).value();
    for (const LoraMatrix & m : loaded.matrices)
        for (const double v : product(m)) ASSERT_EQ(v, 0.0);
}

TEST(GgufAdapter, ReadsSixteenAndEightBits) {
    test::TemporaryFolder folder;
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

/// A writer of one branch that is sound, to be spoilt.
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
        {"activated LoRA", QL_UNSUPPORTED,
         [](Draft & d) {
             const uint32_t token = 1;
             d.good(), ql_gguf_set_array(d.w, "adapter.alora.invocation_tokens", QL_GGUF_U32, &token, 1);
         }},
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
        {"has 3 dimensions", QL_BAD_FILE,
         [](Draft & d) { d.good(), d.add("blk.0.attn_k.weight.lora_a", 64, 2, QL_F32, 2); }},
        {"is i32", QL_UNSUPPORTED, [](Draft & d) { d.good(), d.add("blk.0.attn_k.weight.lora_a", 64, 2, QL_I32); }},
        {"is nf4;", QL_UNSUPPORTED, [](Draft & d) { d.good(), d.add("blk.0.attn_k.weight.lora_a", 64, 2, QL_NF4); }},
        {"holds nan at element 5", QL_NON_FINITE, [](Draft & d) { d.values[5] = NAN, d.good(); }},
    };
    test::TemporaryFolder folder;
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
    test::TemporaryFolder folder;
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
    test::TemporaryFolder folder;
    const std::string path = folder.write("old.gguf", "old");
    const auto refused = [&](const std::function<void(Adapter &)> & spoil, ql_status code) {
        Adapter adapter = filled();
        spoil(adapter);
        const Status saved = save_adapter(adapter, llama(), path);
        EXPECT_EQ(saved.code(), code) << saved.message();
        EXPECT_EQ(test::read_all(path), "old");
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
    EXPECT_EQ(folder.names().size(), 1u);
    EXPECT_EQ(save_adapter(filled(), llama(), folder.path("no/such/folder.gguf")).code(), QL_NOT_FOUND);
}

// ---- PEFT
// ------------------------------------------------------------------------------------------------------------

/// A PEFT directory of golden/lora/f32's adapter ("init" or "final"), as PEFT writes it.
struct Peft {
    explicit Peft(const std::string & which)
        : golden(test::SafeTensors::open(test::golden_path("lora/f32.safetensors"))) {
        for (const std::string & name : golden.names())
            if (name.starts_with(which + "."))
                tensors["base_model.model." + name.substr(which.size() + 1)] = {golden.shape(name), golden.f32(name)};
    }
    std::string write() const {
        test::SafeTensorsMaker maker;
        for (const auto & [name, t] : tensors) maker.add(name, t.first, t.second);
        folder.write("adapter_model.safetensors", maker.file());
        folder.write("adapter_config.json", config.dump());
        return folder.path("");
    }
    void remove(const std::string & part) {
        std::erase_if(tensors, [&](const auto & t) { return t.first.find(part) != std::string::npos; });
    }
    test::TemporaryFolder folder;
    test::SafeTensors golden;
    std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> tensors;
    Json config = {{"peft_type", "LORA"},
                   {"r", 4},
                   {"lora_alpha", 8},
                   {"bias", "none"},
                   {"use_dora", false},
                   {"use_rslora", false},
                   {"rank_pattern", Json::object()},
                   {"alpha_pattern", Json::object()},
                   {"modules_to_save", nullptr},
                   {"init_lora_weights", true},
                   {"target_modules", {"q_proj"}},
                   {"base_model_name_or_path", "some/llama"}};
};

TEST(PeftAdapter, ReadsGoldenAdapterWithRowsInGgufOrder) {
    const Peft peft("final");
    ASSERT_EQ(peft.tensors.size(), 42u);
    const auto adapter = load_adapter(peft.write(), llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    EXPECT_EQ(adapter->matrices.size(), 21u);
    EXPECT_EQ(adapter->base_name, "some/llama");
    const std::string layer = "final.model.layers.1.self_attn.";
    for (const auto & [weight, module] : std::map<std::string, std::string>{
             {"attn_q", "q_proj"}, {"attn_k", "k_proj"}, {"attn_v", "v_proj"}, {"attn_output", "o_proj"}}) {
        const LoraMatrix * m = find(*adapter, "blk.1." + weight + ".weight");
        ASSERT_NE(m, nullptr);
        EXPECT_EQ(m->scale, 2.0f);
        EXPECT_EQ(m->r, 4);
        EXPECT_EQ(m->a, peft.golden.f32(layer + module + ".lora_A.weight"));
        const std::vector<float> b = peft.golden.f32(layer + module + ".lora_B.weight");
        const bool permuted = weight == "attn_q" || weight == "attn_k";
        for (int64_t row = 0; row < m->m; ++row) {
            const int64_t at = permuted ? gguf_row_of_hf_row(row, 16) : row;
            for (int64_t j = 0; j < 4; ++j)
                ASSERT_EQ(m->b[static_cast<size_t>(at * 4 + j)], b[static_cast<size_t>(row * 4 + j)])
                    << weight << " " << row;
        }
    }
}

TEST(PeftAdapter, RoundTripsThroughGgufExactly) {
    const Peft peft("final");
    const std::string golden_directory = peft.write();
    test::TemporaryFolder folder;
    const Adapter first = load_adapter(golden_directory, llama()).value();
    ASSERT_TRUE(save_adapter(first, llama(), folder.path("a.gguf")).ok());
    const Adapter second = load_adapter(folder.path("a.gguf"), llama()).value();
    expect_identical(first, second);
    const Status saved = save_peft(second, llama(), folder.path("new/peft"));
    ASSERT_TRUE(saved.ok()) << saved.message();
    expect_identical(first, load_adapter(folder.path("new/peft"), llama()).value());
    const auto written = test::SafeTensors::open(folder.path("new/peft/adapter_model.safetensors"));
    EXPECT_EQ(written.names().size(), 42u);
    for (const auto & [name, t] : peft.tensors) {
        EXPECT_EQ(written.shape(name), t.first) << name;
        EXPECT_EQ(written.f32(name), t.second) << name;  // as PEFT wrote it: rows of q and k are back in its order
    }
    const auto config = Json::parse(test::read_all(folder.path("new/peft/adapter_config.json")));
    EXPECT_EQ(config["r"], 4);
    EXPECT_EQ(config["lora_alpha"], 8);
    EXPECT_EQ(config["target_modules"],
              Json({"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"}));
}

TEST(PeftAdapter, ExportKeepsEveryRankAndScale) {
    test::TemporaryFolder folder;
    Adapter adapter = filled(3, "attn_q");
    adapter.chat_template = "{{ x }}";
    for (const LoraMatrix & m : filled(5, R"(^blk\.1\.ffn_up)").matrices) adapter.matrices.push_back(m);
    adapter.matrices[1].scale = 0.3f;
    ASSERT_TRUE(save_peft(adapter, llama(), folder.path("p")).ok());
    const auto loaded = load_adapter(folder.path("p"), llama());
    ASSERT_TRUE(loaded.ok()) << loaded.message();
    EXPECT_EQ(loaded->chat_template, "{{ x }}");
    for (const LoraMatrix & m : adapter.matrices) {
        const LoraMatrix * other = find(*loaded, m.weight);
        ASSERT_NE(other, nullptr);
        EXPECT_EQ(other->r, m.r);
        EXPECT_EQ(other->scale, m.scale) << m.weight;
        EXPECT_EQ(other->a, m.a);
        EXPECT_EQ(other->b, m.b);
    }
    const auto config = Json::parse(test::read_all(folder.path("p/adapter_config.json")));
    EXPECT_EQ(config["target_modules"], Json({"q_proj", "model.layers.1.mlp.up_proj"}));
    EXPECT_EQ(config["rank_pattern"], Json({{"model.layers.1.mlp.up_proj", 5}}));
}

TEST(PeftAdapter, PatternsAndRsloraSetTheScale) {
    Peft peft("init");
    peft.config["alpha_pattern"] = {
        {"q_proj", 16}, {"layers.1.self_attn.q_proj", 99}, {"^model.layers.2.mlp.up_proj", 2}, {"layers.0.mlp", 77}};
    const auto adapter = load_adapter(peft.write(), llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    EXPECT_EQ(find(*adapter, "blk.1.attn_q.weight")->scale, 4.0f);  // the first pattern that matches counts
    EXPECT_EQ(find(*adapter, "blk.2.ffn_up.weight")->scale, 0.5f);
    EXPECT_EQ(find(*adapter, "blk.0.ffn_up.weight")->scale, 2.0f);  // a pattern must reach the end of the path
    peft.config["use_rslora"] = true;
    EXPECT_EQ(find(*load_adapter(peft.write(), llama()), "blk.0.ffn_up.weight")->scale, 4.0f);
}

TEST(PeftAdapter, RejectsWhatIsNotPlainLoraForThisModel) {
    struct Row {
        const char * message;
        ql_status code;
        std::function<void(Peft &)> spoil;
    };
    const std::string q = "base_model.model.model.layers.0.self_attn.q_proj.";
    const Row table[] = {
        {"DoRA", QL_UNSUPPORTED, [](Peft & p) { p.config["use_dora"] = true; }},
        {"trained biases", QL_UNSUPPORTED, [](Peft & p) { p.config["bias"] = "lora_only"; }},
        {"a bias on B", QL_UNSUPPORTED, [](Peft & p) { p.config["lora_bias"] = true; }},
        {"modules_to_save", QL_UNSUPPORTED, [](Peft & p) { p.config["modules_to_save"] = {"lm_head"}; }},
        {"trainable_token_indices", QL_UNSUPPORTED,
         [](Peft & p) {
             p.config["trainable_token_indices"] = {1, 2};
         }},
        {"transposed", QL_UNSUPPORTED, [](Peft & p) { p.config["fan_in_fan_out"] = true; }},
        {"'pissa' changes the base", QL_UNSUPPORTED, [](Peft & p) { p.config["init_lora_weights"] = "pissa"; }},
        {"peft_type 'IA3'", QL_UNSUPPORTED, [](Peft & p) { p.config["peft_type"] = "IA3"; }},
        {"'peft_type' must be a string", QL_BAD_FILE, [](Peft & p) { p.config.erase("peft_type"); }},
        {"'r' must be a finite number", QL_BAD_FILE, [](Peft & p) { p.config.erase("r"); }},
        {"is 0", QL_BAD_FILE, [](Peft & p) { p.config["r"] = 0; }},
        {"is 4.5", QL_BAD_FILE, [](Peft & p) { p.config["r"] = 4.5; }},
        {"lora_A has rank 4, lora_B 4, adapter_config.json says 8", QL_BAD_FILE, [](Peft & p) { p.config["r"] = 8; }},
        {"says 2", QL_BAD_FILE,
         [](Peft & p) {
             p.config["rank_pattern"] = {{"k_proj", 2}};
         }},
        {"'lora_alpha' must be a finite number", QL_BAD_FILE, [](Peft & p) { p.config["lora_alpha"] = "8"; }},
        {"scale", QL_NON_FINITE, [](Peft & p) { p.config["lora_alpha"] = 1e300; }},
        {"'rank_pattern' must be an object", QL_BAD_FILE, [](Peft & p) { p.config["rank_pattern"] = 4; }},
        {"'q_proj' must be a finite number", QL_BAD_FILE,
         [](Peft & p) {
             p.config["rank_pattern"] = {{"q_proj", "4"}};
         }},
        {"regular expression", QL_BAD_FILE,
         [](Peft & p) {
             p.config["rank_pattern"] = {{"q_(proj", 4}};
         }},
        {"only one of lora_A and lora_B", QL_BAD_FILE, [](Peft & p) { p.remove("0.self_attn.q_proj.lora_B"); }},
        {"only one of lora_A and lora_B", QL_BAD_FILE, [](Peft & p) { p.remove("0.self_attn.q_proj.lora_A"); }},
        {"no matrices", QL_BAD_FILE, [](Peft & p) { p.tensors.clear(); }},
        {"is no lora_A or lora_B of a linear layer (LoRA on an embedding", QL_UNSUPPORTED,
         [](Peft & p) {
             p.tensors["base_model.model.model.embed_tokens.lora_embedding_A"] = {{1}, {1}};
         }},
        {"(DoRA is not supported)", QL_UNSUPPORTED,
         [q](Peft & p) {
             p.tensors[q + "lora_magnitude_vector"] = {{1}, {1}};
         }},
        {"is no lora_A or lora_B", QL_UNSUPPORTED,
         [](Peft & p) {
             p.tensors["model.layers.0.self_attn.q_proj.lora_A.weight"] = {{1}, {1}};
         }},
        {"is no lora_A or lora_B", QL_UNSUPPORTED,
         [](Peft & p) {
             p.tensors["base_model.model.lora_A.weight"] = {{1}, {1}};
         }},
        {"module 'model.layers.0.self_attn.qkv_proj' is none", QL_BAD_FILE,
         [](Peft & p) {
             p.tensors["base_model.model.model.layers.0.self_attn.qkv_proj.lora_A.weight"] = {{4, 1}, {1, 1, 1, 1}};
             p.tensors["base_model.model.model.layers.0.self_attn.qkv_proj.lora_B.weight"] = {{1, 4}, {1, 1, 1, 1}};
         }},
        {"which is no linear of the model", QL_BAD_FILE,
         [](Peft & p) {
             p.tensors["base_model.model.lm_head.lora_A.weight"] = {{4, 1}, {1, 1, 1, 1}};
             p.tensors["base_model.model.lm_head.lora_B.weight"] = {{1, 4}, {1, 1, 1, 1}};
         }},
        {"is for a weight [3, 64], but 'blk.0.attn_q.weight' of the model 'llama' is [64, 64]", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_A.weight"] = {{4, 3}, std::vector<float>(12)};
         }},
        {"lora_A has rank 4, lora_B 5", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_B.weight"] = {{64, 5}, std::vector<float>(320)};
         }},
        {"two dimensions are needed", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_B.weight"] = {{256}, std::vector<float>(256)};
         }},
        {"two dimensions are needed", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_B.weight"] = {{64, 0}, {}};
         }},
        {"holds inf at element 3", QL_NON_FINITE,
         [q](Peft & p) { p.tensors[q + "lora_A.weight"].second[3] = INFINITY; }},
    };
    for (const Row & row : table) {
        Peft peft("init");
        row.spoil(peft);
        const auto adapter = load_adapter(peft.write(), llama());
        ASSERT_FALSE(adapter.ok()) << row.message;
        EXPECT_EQ(adapter.code(), row.code) << adapter.message();
        EXPECT_NE(adapter.message().find(row.message), std::string::npos) << row.message << ": " << adapter.message();
        EXPECT_EQ(adapter.message().rfind(peft.folder.path(""), 0), 0u) << adapter.message();
    }
    const Peft sound("init");
    EXPECT_TRUE(load_adapter(sound.write(), llama()).ok()) << load_adapter(sound.write(), llama()).message();
    test::TemporaryFolder empty;
    EXPECT_EQ(load_adapter(empty.path(""), llama()).code(), QL_NOT_FOUND);
}

// ---- the C API
// -------------------------------------------------------------------------------------------------------

class AdapterCapi : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(ql_model_open(test::golden_path("arch/llama").c_str(), nullptr, &model_), QL_OK)
            << ql_error_message();
    }
    void TearDown() override { ql_model_close(model_); }
    ql_model * model_ = nullptr;
};

TEST_F(AdapterCapi, CreatesSavesOpensDescribes) {
    test::TemporaryFolder folder;
    ql_lora_options options;
    ql_lora_options_init(&options);
    EXPECT_EQ(options.r, 16);
    EXPECT_EQ(options.alpha, 32.0);
    options.r = 5;
    options.targets = "mlp";
    ql_adapter *made = nullptr, *opened = nullptr;
    ASSERT_EQ(ql_adapter_create(model_, &options, &made), QL_OK) << ql_error_message();
    ASSERT_EQ(ql_adapter_set_chat_template(made, "{{ y }}"), QL_OK);
    ASSERT_EQ(ql_adapter_save(made, folder.path("a.gguf").c_str()), QL_OK) << ql_error_message();
    ASSERT_EQ(ql_adapter_save_peft(made, folder.path("p").c_str()), QL_OK) << ql_error_message();
    for (const char * name : {"a.gguf", "p"}) {
        ASSERT_EQ(ql_adapter_open(folder.path(name).c_str(), model_, &opened), QL_OK) << ql_error_message();
        ql_adapter_info info = {sizeof info};
        ASSERT_EQ(ql_adapter_describe(opened, &info), QL_OK);
        EXPECT_EQ(info.n_matrices, 9);
        EXPECT_EQ(info.r_min, 5);
        EXPECT_EQ(info.r_max, 5);
        EXPECT_EQ(info.n_parameters, 9 * 5 * (64 + 128));
        EXPECT_STREQ(info.base_name, "llama");
        EXPECT_STREQ(ql_adapter_chat_template(opened), "{{ y }}");
        ql_adapter_free(opened);
    }
    ql_adapter_free(made);
}

TEST_F(AdapterCapi, RefusesWrongArguments) {
    ql_adapter * adapter = nullptr;
    ql_lora_options options;
    ql_lora_options_init(&options);
    for (const int64_t r :
         {int64_t{0}, int64_t{-3}, int64_t{1000000000}, std::numeric_limits<int64_t>::max(), int64_t{1} << 32}) {
        options.r = r;
        EXPECT_EQ(ql_adapter_create(model_, &options, &adapter), QL_INVALID_ARGUMENT) << r;
        EXPECT_EQ(adapter, nullptr);
    }
    options.size = 0;
    EXPECT_EQ(ql_adapter_create(model_, &options, &adapter), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_create(nullptr, nullptr, &adapter), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_create(model_, nullptr, nullptr), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_open(nullptr, model_, &adapter), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_save(nullptr, "x"), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_save_peft(nullptr, "x"), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_describe(nullptr, nullptr), QL_INVALID_ARGUMENT);
    EXPECT_STREQ(ql_adapter_chat_template(nullptr), "");
    EXPECT_EQ(ql_adapter_set_chat_template(nullptr, ""), QL_INVALID_ARGUMENT);
    ql_adapter_free(nullptr);
    ASSERT_EQ(ql_adapter_create(model_, nullptr, &adapter), QL_OK) << ql_error_message();
    EXPECT_EQ(ql_adapter_describe(adapter, nullptr), QL_INVALID_ARGUMENT);
    ql_adapter_free(adapter);
}

}  // namespace
}  // namespace ql
