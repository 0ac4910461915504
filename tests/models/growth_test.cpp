// Readers take time in proportion to their file: a file of four times the entries may not take sixteen times as long.
#include "models/adapters.hpp"
#include "models/files/safetensors.hpp"
#include "models/load/loaders.hpp"
#include "models/load/read_hf_config.hpp"
#include "ql/gguf.h"
#include "support/growth.hpp"
#include "support/raw_safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

class Growth : public ::testing::Test {
  protected:
    /// `write` makes files of n entries in the folder, `read` reads them.
    void expect_linear(const std::function<void(int)> & write, const std::function<void()> & read) const {
        constexpr int n = 8000;
        write(n);
        const double once = cpu_seconds(read);
        write(4 * n);
        const double four_times = cpu_seconds(read);
        EXPECT_LT(four_times, 9 * once + 0.02) << once << " s for " << n << " entries";  // 4 is linear, 16 quadratic
    }
    std::string path(const char * name) const { return folder_.path(name); }
    void write_tensors(const char * name, const std::function<std::string(int)> & tensor, int n) const {
        std::string header;
        for (int i = 0; i < n; ++i)
            header += (i ? ", \"" : "{\"") + tensor(i) + R"(": {"dtype": "F32", "shape": [1, 1], "data_offsets": [)" +
                      std::to_string(4 * i) + ", " + std::to_string(4 * i + 4) + "]}";
        folder_.write(name, raw_safetensors(header + "}", std::string(4 * static_cast<size_t>(n), '\0')));
    }
    const TemporaryFolder folder_;
};

TEST_F(Growth, GgufKeysAndTensors) {
    const float value = 1;
    const int64_t one = 1;
    const auto write = [&](int n) {
        ql_gguf_writer * w = nullptr;
        ASSERT_EQ(ql_gguf_writer_create(&w), QL_OK);
        for (int i = 0; i < n; ++i) {
            ASSERT_EQ(ql_gguf_set_int(w, ("llama.key" + std::to_string(i)).c_str(), QL_GGUF_U32, i), QL_OK);
            ASSERT_EQ(ql_gguf_add_tensor(w, ("blk." + std::to_string(i)).c_str(), QL_F32, 1, &one, &value), QL_OK);
        }
        ASSERT_EQ(ql_gguf_write(w, path("g.gguf").c_str()), QL_OK) << ql_error_message();
        ql_gguf_writer_free(w);
    };
    expect_linear(write, [&] {
        ql_gguf * file = nullptr;
        ASSERT_EQ(ql_gguf_open(path("g.gguf").c_str(), &file), QL_OK) << ql_error_message();
        ql_gguf_close(file);
    });
}

TEST_F(Growth, Safetensors) {
    expect_linear(
        [&](int n) {
            write_tensors(
                "s", [](int i) { return "tensor" + std::to_string(i); }, n);
        },
        [&] { ASSERT_TRUE(SafeTensorsFile::open(path("s")).ok()) << SafeTensorsFile::open(path("s")).message(); });
}

TEST_F(Growth, Config) {
    const auto write = [&](int n) {
        std::string text = R"({"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1)";
        text += R"(, "num_attention_heads": 1, "intermediate_size": 8, "vocab_size": 8, "max_position_embeddings": 8)";
        for (int i = 0; i < n; ++i) text += ", \"field" + std::to_string(i) + "\": null";
        folder_.write("config.json", text + "}");
    };
    expect_linear(write, [&] {
        const auto file = JsonFile::open(path("config.json"));
        ASSERT_TRUE(file.ok()) << file.message();
        ASSERT_TRUE(read_hf_config(*file).ok()) << read_hf_config(*file).message();
    });
}

TEST_F(Growth, Index) {
    folder_.write("config.json", read_all(golden_path("arch/llama/config.json")));
    const auto write = [&](int n) {
        std::string text = R"({"weight_map": {"a": "a.safetensors")";
        for (int i = 0; i < n; ++i) text += ", \"tensor" + std::to_string(i) + "\": \"a.safetensors\"";
        folder_.write("model.safetensors.index.json", text + "}}");
    };
    expect_linear(write, [&] { ASSERT_EQ(load_hf_model(path("")).code(), QL_NOT_FOUND); });
}

TEST_F(Growth, PeftAdapter) {
    folder_.write("adapter_config.json", R"({"peft_type": "LORA", "r": 1, "lora_alpha": 1})");
    const auto name = [](int i) {
        return "base_model.model.model.layers." + std::to_string(i / 2) + ".self_attn.q_proj.lora_" +
               (i % 2 ? "A" : "B") + ".weight";
    };
    expect_linear([&](int n) { write_tensors("adapter_model.safetensors", name, n); },
                  [&] { ASSERT_EQ(load_adapter(path(""), llama()).code(), QL_BAD_FILE); });
}

}  // namespace
}  // namespace ql::test
