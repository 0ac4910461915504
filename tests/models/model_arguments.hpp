// Tables of wrong calls of the models' C API, and the objects that they are made with.
#pragma once
#include "ql/models.h"
#include "ql/os.h"
#include "support/c_arguments.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {

constexpr int64_t kBeyond32Bits = (int64_t{1} << 32) + QL_Q8_0;  // q8_0, if the upper half is dropped
constexpr size_t kBadSizes[] = {0, 1, 5000, SIZE_MAX};

class ModelArguments : public testing::Test {
  protected:
    ModelArguments() {
        path_ = write_tiny_model(folder_.path("model.gguf"));
        data_path_ = folder_.write("data.jsonl", tiny_chats(4));
        TinyModelOptions other;
        other.n_embd = 128;
        open(path_, &model_), open(write_tiny_model(folder_.path("other.gguf"), other), &other_);
        ql_device_options options;
        ql_device_options_init(&options);
        options.threads = 1;
        EXPECT_EQ(ql_device_open(&options, &device_), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_adapter_create(model_, nullptr, &adapter_), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_adapter_create(other_, nullptr, &others_adapter_), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_dataset_open(data_path_.c_str(), model_, nullptr, &data_), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_dataset_open(data_path_.c_str(), other_, nullptr, &others_data_), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_session_create(model_, device_, nullptr, &session_), QL_OK) << ql_error_message();
        ql_engine_options engine;
        ql_engine_options_init(&engine);
        engine.n_sequences = 2, engine.n_adapters = 1;
        engine.adapters = const_cast<const ql_adapter * const *>(&adapter_);
        EXPECT_EQ(ql_engine_create(model_, device_, &engine, &engine_), QL_OK) << ql_error_message();
    }
    ~ModelArguments() override {
        ql_engine_free(engine_);
        ql_session_free(session_);
        for (ql_dataset * d : {data_, others_data_}) ql_dataset_free(d);
        for (ql_adapter * a : {adapter_, others_adapter_}) ql_adapter_free(a);
        for (ql_model * m : {model_, other_}) ql_model_close(m);
        ql_device_close(device_);
    }
    static void open(const std::string & path, ql_model ** model) {
        EXPECT_EQ(ql_model_open(path.c_str(), nullptr, model), QL_OK) << ql_error_message();
    }

    /// A call with options of which `change` spoils one.
    template <typename Change>
    std::function<ql_status()> opening_model(Change change) {
        return [this, change] {
            ql_model_options o;
            ql_model_options_init(&o);
            change(o);
            ql_model * model = nullptr;
            return ql_model_open(path_.c_str(), &o, &model);
        };
    }
    template <typename Change>
    std::function<ql_status()> opening_data(Change change) {
        return [this, change] {
            ql_dataset_options o;
            ql_dataset_options_init(&o);
            change(o);
            ql_dataset * data = nullptr;
            return ql_dataset_open(data_path_.c_str(), model_, &o, &data);
        };
    }
    template <typename Change>
    std::function<ql_status()> making_session(Change change) {
        return [this, change] {
            ql_session_options o;
            ql_session_options_init(&o);
            change(o);
            ql_session * session = nullptr;
            return ql_session_create(model_, device_, &o, &session);
        };
    }
    template <typename Change>
    std::function<ql_status()> making_adapter(Change change) {
        return [this, change] {
            ql_lora_options o;
            ql_lora_options_init(&o);
            change(o);
            ql_adapter * adapter = nullptr;
            return ql_adapter_create(model_, &o, &adapter);
        };
    }
    template <typename Change>
    std::function<ql_status()> starting_eva(Change change) {
        return [this, change] {
            ql_eva_options o;
            ql_eva_options_init(&o);
            change(o);
            return ql_adapter_start_eva(adapter_, model_, device_, data_, &o);
        };
    }
    template <typename Change>
    std::function<ql_status()> generating(Change change) {
        return [this, change] {
            ql_generate_options o;
            ql_generate_options_init(&o);
            o.n_predict = 1;
            change(o);
            const int32_t token = 1;
            ql_session_reset(session_);
            return ql_generate(session_, &token, 1, &o, nullptr);
        };
    }
    template <typename Change>
    std::function<ql_status()> making_trainer(Change change) {
        return [this, change] {
            ql_train_options o;
            ql_train_options_init(&o);
            o.ctx = 64;
            change(o);
            ql_trainer * trainer = nullptr;
            return ql_trainer_create(model_, device_, adapter_, data_, nullptr, &o, &trainer);
        };
    }
    template <typename Change>
    std::function<ql_status()> quantizing(Change change) {
        return [this, change] {
            ql_quantize_options o;
            ql_quantize_options_init(&o);
            change(o);
            return ql_quantize(path_.c_str(), folder_.path("out.gguf").c_str(), &o);
        };
    }
    std::function<ql_status()> evaluating(int64_t ctx, size_t size = sizeof(ql_nll), int64_t stride = 0) {
        return [this, ctx, size, stride] {
            ql_nll result{};
            result.size = size;
            ql_evaluate_options o;
            ql_evaluate_options_init(&o);
            o.ctx = ctx, o.stride = stride;
            return ql_evaluate_dataset(model_, device_, nullptr, nullptr, 0, data_, &o, &result);
        };
    }

    std::vector<BadCall> model_calls();
    std::vector<BadCall> data_calls();
    std::vector<BadCall> adapter_calls();
    std::vector<BadCall> infer_calls();
    std::vector<BadCall> engine_calls();
    std::vector<BadCall> prompt_calls();
    std::vector<BadCall> train_calls();
    std::vector<BadCall> token_calls();
    std::vector<BadCall> all_calls() {
        std::vector<BadCall> all;
        for (const auto & part : {model_calls(), data_calls(), adapter_calls(), infer_calls(), engine_calls(),
                                  prompt_calls(), train_calls(), token_calls()})
            all.insert(all.end(), part.begin(), part.end());
        return all;
    }
    std::vector<NullCall> null_calls();

    TemporaryFolder folder_;
    std::string path_, data_path_;
    ql_model *model_ = nullptr, *other_ = nullptr;
    ql_device * device_ = nullptr;
    ql_adapter *adapter_ = nullptr, *others_adapter_ = nullptr;
    ql_dataset *data_ = nullptr, *others_data_ = nullptr;
    ql_session * session_ = nullptr;
    ql_engine * engine_ = nullptr;
    ql_nll nll_{sizeof(ql_nll)};
    const char * text_ = nullptr;
    int64_t n_ = 0;
    size_t size_ = 0;
};

}  // namespace ql::test
