// A model whose linears and head are nvfp4 with scales of whole tensors beside them, and the f32 model of the same values.
#pragma once
#include <cstring>
#include <functional>
#include <map>

#include "models/golden.hpp"
#include "support/arch_gguf.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {

/// llama3_rope, whose head is its own, with linears and head in nvfp4, each with a scale of its own; and the same values in
/// f32.
class ScaledModel : public ::testing::Test {
  protected:
    struct Packed {
        std::vector<std::byte> blocks;
        float scale = 1;
        std::vector<float> values;
    };

    void SetUp() override {
        golden_ = open_golden_model("llama3_rope");
        ASSERT_TRUE(golden_);
        ASSERT_FALSE(golden_->tied());
        for (const Weight & w : golden_->weights())
            if (w.n_dims == 2 && w.name != "token_embd.weight") pack(w);
        scaled_ = open(write("scaled.gguf", true));
        plain_ = open(write("plain.gguf", false));
        ASSERT_TRUE(scaled_ && plain_);
    }

    /// Codes of a generator, and a scale that brings the values to the size of the golden weight's; some are negative.
    void pack(const Weight & w) {
        Packed & p = packed_[w.name];
        const auto n = static_cast<size_t>(w.elements());
        p.blocks.resize(ql_dtype_bytes(QL_NVFP4, w.elements()));
        for (size_t i = 0; i < p.blocks.size(); ++i) {
            seed_ = seed_ * 1664525 + 1013904223;
            const uint32_t random = seed_ >> 24;
            p.blocks[i] =
                static_cast<std::byte>(i % 36 < 4 ? 0x30 + random % 16 : random);  // 4 scales, 32 bytes of codes
        }
        p.values.resize(n);
        ASSERT_EQ(ql_decode(QL_NVFP4, p.blocks.data(), w.elements(), 0, w.elements(), p.values.data()), QL_OK);
        p.scale = (packed_.size() % 3 ? 0.0113f : -0.0071f) * (1.0f + 0.01f * static_cast<float>(packed_.size()));
        for (float & v : p.values) v *= p.scale;
    }

    std::string write(const std::string & name, bool scaled) {
        ArchGgufWriter writer(*golden_);
        const int64_t one = 1;
        for (const Weight & w : golden_->weights()) {
            const auto packed = packed_.find(w.name);
            if (packed == packed_.end()) {
                writer.add(w.name, w.n_dims, w.ne, w.data);
            } else if (!scaled) {
                writer.add(w.name, w.n_dims, w.ne, packed->second.values.data());
            } else {
                writer.add(w.name, w.n_dims, w.ne, packed->second.blocks.data(), QL_NVFP4);
                writer.add(scale_of(w.name), 1, &one, &packed->second.scale);
                writer.add(input_scale_of(w.name), 1, &one, &input_scale_);
            }
        }
        if (extra_) extra_(writer);
        writer.vocabulary();
        return writer.write(folder_.path(name));
    }

    std::unique_ptr<Model> open(const std::string & path, int64_t type = QL_BASE_KEEP) const {
        auto model = open_model(path, {sizeof(ql_model_options), type, QL_BASE_KEEP});
        EXPECT_TRUE(model.ok()) << model.message();
        return model.ok() ? std::move(model).value() : nullptr;
    }

    /// Tensors of a file, by name, as bytes.
    static std::map<std::string, std::string> tensors(const std::string & path) {
        GgufPtr file;
        EXPECT_EQ(ql_gguf_open(path.c_str(), out(file)), QL_OK) << ql_error_message();
        std::map<std::string, std::string> all;
        for (int64_t i = 0; i < ql_gguf_n_tensors(file.get()); ++i) {
            ql_gguf_tensor t{};
            EXPECT_EQ(ql_gguf_tensor_at(file.get(), i, &t), QL_OK);
            all[t.name] = std::string(static_cast<const char *>(t.data), t.size);
        }
        return all;
    }

    const TemporaryFolder folder_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
    const float input_scale_ = 0.25f;
    uint32_t seed_ = 7;
    std::unique_ptr<Model> golden_, scaled_, plain_;
    std::map<std::string, Packed> packed_;
    std::function<void(ArchGgufWriter &)> extra_;
};

}  // namespace ql::test
