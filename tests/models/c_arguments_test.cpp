// The models' C API with arguments that no caller should pass: each is refused with a message, none crashes.
#include "models/model_arguments.hpp"

#include <climits>
#include <cmath>

namespace ql::test {

std::vector<BadCall> ModelArguments::model_calls() {
    static ql_model_info info;
    std::vector<BadCall> calls = {
        {"ql_model_open", "NULL path", [this] { return ql_model_open(nullptr, nullptr, &other_); }},
        {"ql_model_open", "NULL model", [this] { return ql_model_open(path_.c_str(), nullptr, nullptr); }},
        {"ql_model_describe", "NULL", [] { return ql_model_describe(nullptr, &info); }},
        {"ql_model_describe", "NULL info", [this] { return ql_model_describe(model_, nullptr); }},
        {"ql_quantize", "NULL", [] { return ql_quantize(nullptr, "f", nullptr); }},
        {"ql_quantize", "NULL out", [this] { return ql_quantize(path_.c_str(), nullptr, nullptr); }},
    };
    for (const size_t size : kBadSizes) {
        calls.push_back({"ql_model_open", "size", opening_model([size](auto & o) { o.size = size; })});
        calls.push_back({"ql_quantize", "size", quantizing([size](auto & o) { o.size = size; })});
        calls.push_back({"ql_model_describe", "size", [this, size] {
                             info.size = size;
                             return ql_model_describe(model_, &info);
                         }});
    }
    for (const int64_t type : {kBeyond32Bits, kBeyond32Bits - 2 * (int64_t{1} << 32), int64_t{-3}, int64_t{77},
                               int64_t{QL_I8}, int64_t{QL_IQ2_S}, INT64_MAX, INT64_MIN}) {
        calls.push_back({"ql_model_open", "base_type", opening_model([type](auto & o) { o.base_type = type; })});
        calls.push_back(
            {"ql_model_open", "embedding_type", opening_model([type](auto & o) { o.embedding_type = type; })});
        calls.push_back({"ql_quantize", "type", quantizing([type](auto & o) { o.type = type; })});
        calls.push_back({"ql_quantize", "embedding_type", quantizing([type](auto & o) { o.embedding_type = type; })});
    }
    for (const int64_t search : {int64_t{-1}, int64_t{2}, kBeyond32Bits}) {
        calls.push_back({"ql_model_open", "search", opening_model([search](auto & o) { o.search = search; })});
        calls.push_back({"ql_quantize", "search", quantizing([search](auto & o) { o.search = search; })});
    }
    calls.push_back({"ql_quantize", "a type of ql_model_options", quantizing([](auto & o) { o.type = QL_BASE_AUTO; })});
    return calls;
}

std::vector<BadCall> ModelArguments::data_calls() {
    static ql_dataset_info info;
    static ql_dataset * part = nullptr;
    std::vector<BadCall> calls = {
        {"ql_dataset_open", "NULL", [] { return ql_dataset_open("f", nullptr, nullptr, &part); }},
        {"ql_dataset_open", "no file", [this] { return ql_dataset_open("/absent", model_, nullptr, &part); }},
        {"ql_dataset_open", "long_policy 77",
         opening_data([](auto & o) { o.long_policy = wrong<ql_long_policy>(77); })},
        {"ql_dataset_open", "long_policy -1",
         opening_data([](auto & o) { o.long_policy = wrong<ql_long_policy>(-1); })},
        {"ql_dataset_open_all", "NULL", [this] { return ql_dataset_open_all(nullptr, 1, model_, nullptr, &part); }},
        {"ql_dataset_open_all", "a NULL path",
         [this] {
             const char * paths[] = {data_path_.c_str(), nullptr};
             return ql_dataset_open_all(paths, 2, model_, nullptr, &part);
         }},
        {"ql_dataset_open_all", "no paths",
         [this] {
             const char * path = data_path_.c_str();
             return ql_dataset_open_all(&path, 0, model_, nullptr, &part);
         }},
        {"ql_dataset_open_all", "more paths than can be",
         [this] {
             const char * path = data_path_.c_str();
             return ql_dataset_open_all(&path, INT64_MAX, model_, nullptr, &part);
         }},
        {"ql_dataset_open", "ctx -1", opening_data([](auto & o) { o.ctx = -1; })},
        {"ql_dataset_open", "ctx 1", opening_data([](auto & o) { o.ctx = 1; })},
        {"ql_dataset_open", "ctx above the model's", opening_data([](auto & o) { o.ctx = 257; })},
        {"ql_dataset_open", "ctx INT64_MAX", opening_data([](auto & o) { o.ctx = INT64_MAX; })},
        {"ql_dataset_open", "no such template", opening_data([](auto & o) { o.chat_template = "/absent"; })},
        {"ql_dataset_open", "no date", opening_data([](auto & o) { o.date = "2025-02-30"; })},
        {"ql_dataset_split", "NULL", [] { return ql_dataset_split(nullptr, 0.5, 1, &part); }},
        {"ql_dataset_split", "NaN", [this] { return ql_dataset_split(data_, NAN, 1, &part); }},
        {"ql_dataset_split", "1", [this] { return ql_dataset_split(data_, 1, 1, &part); }},
        {"ql_dataset_split", "-1", [this] { return ql_dataset_split(data_, -1, 1, &part); }},
        {"ql_dataset_describe", "NULL", [] { return ql_dataset_describe(nullptr, &info); }},
        {"ql_dataset_show", "-1", [this] { return ql_dataset_show(data_, -1, "", "", &text_); }},
        {"ql_dataset_show", "past the end", [this] { return ql_dataset_show(data_, INT64_MAX, "", "", &text_); }},
        {"ql_dataset_show", "NULL mark", [this] { return ql_dataset_show(data_, 0, nullptr, "", &text_); }},
        {"ql_dataset_prompt", "NULL", [this] { return ql_dataset_prompt(data_, 0, nullptr, &text_); }},
        {"ql_dataset_prompt", "-1", [this] { return ql_dataset_prompt(data_, -1, &text_, &text_); }},
        {"ql_dataset_prompt_tokens", "NULL", [this] { return ql_dataset_prompt_tokens(data_, 0, nullptr, nullptr); }},
        {"ql_dataset_prompt_tokens", "-1", [this] { return ql_dataset_prompt_tokens(data_, -1, nullptr, nullptr); }},
    };
    for (const size_t size : kBadSizes) {
        calls.push_back({"ql_dataset_open", "size", opening_data([size](auto & o) { o.size = size; })});
        calls.push_back({"ql_dataset_describe", "size", [this, size] {
                             info.size = size;
                             return ql_dataset_describe(data_, &info);
                         }});
    }
    return calls;
}

std::vector<BadCall> ModelArguments::adapter_calls() {
    static ql_adapter * adapter = nullptr;
    static ql_adapter_info info;
    static ql_adapter_matrix_info matrix;
    static ql_adapter_run_info run;
    static ql_llama_cpp_info llama_cpp;
    static ql_adapter_rows_info rows;
    static ql_compose_method_info method;
    static ql_lora_init_info init;
    matrix.size = sizeof(matrix), method.size = sizeof(method), init.size = sizeof(init);
    const auto composing = [this](int n, auto change) {
        return [this, n, change] {
            ql_compose_options o;
            ql_compose_options_init(&o);
            change(o);
            const double weight = 1;
            const ql_adapter * one = adapter_;
            return ql_adapter_compose(&one, &weight, n, &o, &adapter);
        };
    };
    std::vector<BadCall> calls = {
        {"ql_adapter_create", "NULL", [] { return ql_adapter_create(nullptr, nullptr, &adapter); }},
        {"ql_adapter_create", "r 0", making_adapter([](auto & o) { o.r = 0; })},
        {"ql_adapter_create", "r 2^32 + 4", making_adapter([](auto & o) { o.r = (int64_t{1} << 32) + 4; })},
        {"ql_adapter_create", "r INT64_MIN", making_adapter([](auto & o) { o.r = INT64_MIN; })},
        {"ql_adapter_create", "alpha NaN", making_adapter([](auto & o) { o.alpha = NAN; })},
        {"ql_adapter_create", "alpha 1e300", making_adapter([](auto & o) { o.alpha = 1e300; })},
        {"ql_adapter_create", "alpha -1", making_adapter([](auto & o) { o.alpha = -1; })},
        {"ql_adapter_create", "no targets", making_adapter([](auto & o) { o.targets = "nothing_has_this_name"; })},
        {"ql_adapter_create", "no regular expression", making_adapter([](auto & o) { o.targets = "(("; })},
        {"ql_adapter_create", "no layers", making_adapter([](auto & o) { o.layers = "1-"; })},
        {"ql_adapter_create", "no pattern", making_adapter([](auto & o) { o.rank_pattern = "attn_q"; })},
        {"ql_adapter_create", "idle pattern", making_adapter([](auto & o) { o.alpha_pattern = "nothing=1"; })},
        {"ql_adapter_create", "unknown start", making_adapter([](auto & o) { o.init = "olora"; })},
        {"ql_adapter_create", "threads -1", making_adapter([](auto & o) { o.threads = -1; })},
        {"ql_adapter_create", "threads 2^40", making_adapter([](auto & o) { o.threads = int64_t{1} << 40; })},
        {"ql_lora_init", "-1", [] { return ql_lora_init(-1, &init); }},
        {"ql_lora_init", "past the end", [] { return ql_lora_init(INT64_MAX, &init); }},
        {"ql_lora_init", "NULL", [] { return ql_lora_init(0, nullptr); }},
        {"ql_adapter_open", "NULL", [this] { return ql_adapter_open(nullptr, model_, &adapter); }},
        {"ql_adapter_open", "a model", [this] { return ql_adapter_open(path_.c_str(), model_, &adapter); }},
        {"ql_adapter_open_any_base", "NULL", [this] { return ql_adapter_open_any_base(nullptr, model_, &adapter); }},
        {"ql_adapter_open_any_base", "a model",
         [this] { return ql_adapter_open_any_base(path_.c_str(), model_, &adapter); }},
        {"ql_adapter_run", "NULL", [] { return ql_adapter_run(nullptr, 0, &run); }},
        {"ql_adapter_run", "past the end", [this] { return ql_adapter_run(adapter_, INT64_MAX, &run); }},
        {"ql_adapter_rows", "NULL", [] { return ql_adapter_rows(nullptr, 0, &rows); }},
        {"ql_adapter_rows", "no weight 0 of 0", [this] { return ql_adapter_rows(adapter_, 0, &rows); }},
        {"ql_adapter_llama_cpp", "NULL", [] { return ql_adapter_llama_cpp(nullptr, 0, &llama_cpp); }},
        {"ql_adapter_llama_cpp", "-1", [this] { return ql_adapter_llama_cpp(adapter_, -1, &llama_cpp); }},
        {"ql_adapter_save", "NULL", [] { return ql_adapter_save(nullptr, "f"); }},
        {"ql_adapter_save", "NULL path", [this] { return ql_adapter_save(adapter_, nullptr); }},
        {"ql_adapter_save_peft", "NULL", [this] { return ql_adapter_save_peft(adapter_, nullptr); }},
        {"ql_adapter_describe", "NULL", [] { return ql_adapter_describe(nullptr, &info); }},
        {"ql_adapter_matrix", "NULL", [] { return ql_adapter_matrix(nullptr, 0, &matrix); }},
        {"ql_adapter_matrix", "-1", [this] { return ql_adapter_matrix(adapter_, -1, &matrix); }},
        {"ql_adapter_matrix", "past the end", [this] { return ql_adapter_matrix(adapter_, INT64_MAX, &matrix); }},
        {"ql_compose_method", "-1", [] { return ql_compose_method(-1, &method); }},
        {"ql_compose_method", "past the end", [] { return ql_compose_method(INT64_MAX, &method); }},
        {"ql_adapter_compose", "NULL", [] { return ql_adapter_compose(nullptr, nullptr, 1, nullptr, &adapter); }},
        {"ql_adapter_compose", "n 0", composing(0, [](auto &) {})},
        {"ql_adapter_compose", "n -1", composing(-1, [](auto &) {})},
        {"ql_adapter_compose", "no such method", composing(1, [](auto & o) { o.method = "mean"; })},
        {"ql_adapter_compose", "rank -1", composing(1, [](auto & o) { o.method = "svd", o.rank = -1; })},
        {"ql_adapter_compose", "density NaN", composing(1, [](auto & o) { o.method = "ties", o.density = NAN; })},
        {"ql_adapter_compose", "threads -1", composing(1, [](auto & o) { o.threads = -1; })},
        {"ql_adapter_compose", "density 2", composing(1, [](auto & o) { o.method = "ties", o.density = 2; })},
        {"ql_adapter_extract", "NULL", [] { return ql_adapter_extract(nullptr, nullptr, nullptr, &adapter); }},
        {"ql_adapter_resize", "NULL", [] { return ql_adapter_resize(nullptr, nullptr, &adapter); }},
        {"ql_adapter_resize", "nothing set", [this] { return ql_adapter_resize(adapter_, nullptr, &adapter); }},
        {"ql_adapter_resize", "NULL result", [this] { return ql_adapter_resize(adapter_, nullptr, nullptr); }},
        {"ql_adapter_to_lora", "NULL", [] { return ql_adapter_to_lora(nullptr, nullptr, &adapter); }},
        {"ql_adapter_to_lora", "NULL result", [this] { return ql_adapter_to_lora(adapter_, nullptr, nullptr); }},
        {"ql_adapter_to_lora", "rank -1",
         [this] {
             ql_to_lora_options o;
             ql_to_lora_options_init(&o);
             o.rank = -1;
             return ql_adapter_to_lora(adapter_, &o, &adapter);
         }},
        {"ql_adapter_prune", "NULL", [] { return ql_adapter_prune(nullptr, nullptr, &adapter); }},
        {"ql_adapter_prune", "nothing set", [this] { return ql_adapter_prune(adapter_, nullptr, &adapter); }},
        {"ql_adapter_prune", "NULL result", [this] { return ql_adapter_prune(adapter_, nullptr, nullptr); }},
        {"ql_adapter_merge", "NULL", [] { return ql_adapter_merge(nullptr, "f", "g", nullptr); }},
        {"ql_adapter_merge", "NULL base", [this] { return ql_adapter_merge(adapter_, nullptr, "g", nullptr); }},
        {"ql_adapter_merge", "NULL out", [this] { return ql_adapter_merge(adapter_, "f", nullptr, nullptr); }},
        {"ql_adapter_check_merge", "NULL", [this] { return ql_adapter_check_merge(nullptr, model_, nullptr); }},
        {"ql_adapter_check_merge", "NULL base", [this] { return ql_adapter_check_merge(adapter_, nullptr, nullptr); }},
        {"ql_adapter_check_merge", "of none", [this] { return ql_adapter_check_merge(adapter_, model_, nullptr); }},
        {"ql_adapter_set_chat_template", "NULL", [] { return ql_adapter_set_chat_template(nullptr, ""); }},
    };
    for (const size_t size : kBadSizes)
        calls.push_back({"ql_adapter_create", "size", making_adapter([size](auto & o) { o.size = size; })});
    return calls;
}

std::vector<BadCall> ModelArguments::token_calls() {
    static ql_tokenizer * tokenizer = nullptr;
    static int32_t tokens[4] = {1, 2, 3, 4};
    static char text[4];
    const ql_tokenizer * own = ql_model_tokenizer(model_);
    return {
        {"ql_tokenizer_open", "NULL", [] { return ql_tokenizer_open(nullptr, &tokenizer); }},
        {"ql_tokenizer_open", "no file", [] { return ql_tokenizer_open("/absent", &tokenizer); }},
        {"ql_tokenize", "NULL", [this] { return ql_tokenize(nullptr, "a", 1, 0, tokens, nullptr, 4, &n_); }},
        {"ql_tokenize", "NULL text", [=, this] { return ql_tokenize(own, nullptr, 1, 0, tokens, nullptr, 4, &n_); }},
        {"ql_tokenize", "flags 77", [=, this] { return ql_tokenize(own, "a", 1, 77, tokens, nullptr, 4, &n_); }},
        {"ql_tokenize", "capacity -1", [=, this] { return ql_tokenize(own, "a", 1, 0, tokens, nullptr, -1, &n_); }},
        {"ql_tokenize", "too little room",
         [=, this] { return ql_tokenize(own, "abcdefgh", 8, 0, tokens, nullptr, 1, &n_); }},
        {"ql_tokenize", "a text of SIZE_MAX",
         [=, this] { return ql_tokenize(own, "a", SIZE_MAX, 0, tokens, nullptr, 4, &n_); }},
        {"ql_detokenize", "NULL", [this] { return ql_detokenize(nullptr, tokens, 1, 0, text, 4, &size_); }},
        {"ql_detokenize", "n -1", [=, this] { return ql_detokenize(own, tokens, -1, 0, text, 4, &size_); }},
        {"ql_detokenize", "token -1",
         [=, this] {
             const int32_t token = -1;
             return ql_detokenize(own, &token, 1, 0, text, 4, &size_);
         }},
        {"ql_token_piece", "-1", [=, this] { return ql_token_piece(own, -1, &text_, &size_); }},
        {"ql_token_piece", "INT32_MAX", [=, this] { return ql_token_piece(own, INT32_MAX, &text_, &size_); }},
        {"ql_token_piece", "NULL", [=, this] { return ql_token_piece(own, 0, nullptr, &size_); }},
    };
}

std::vector<NullCall> ModelArguments::null_calls() {
    const ql_tokenizer * own = ql_model_tokenizer(model_);
    return {
        {"ql_model_options_init", [] { return ql_model_options_init(nullptr), true; }},
        {"ql_model_close", [] { return ql_model_close(nullptr), true; }},
        {"ql_model_tokenizer", [] { return ql_model_tokenizer(nullptr) == nullptr; }},
        {"ql_model_chat_template", [] { return *ql_model_chat_template(nullptr) == '\0'; }},
        {"ql_model_note", [this] { return !ql_model_note(nullptr, 0) && !ql_model_note(model_, -1); }},
        {"ql_model_note", [this] { return ql_model_note(model_, INT64_MAX) == nullptr; }},
        {"ql_answer_options_init", [] { return ql_answer_options_init(nullptr), true; }},
        {"ql_prompt_options_init", [] { return ql_prompt_options_init(nullptr), true; }},
        {"ql_prompt_list_free", [] { return ql_prompt_list_free(nullptr), true; }},
        {"ql_prompt_list_count", [] { return ql_prompt_list_count(nullptr) == 0; }},
        {"ql_chat_options_init", [] { return ql_chat_options_init(nullptr), true; }},
        {"ql_quantize_recipe_at",
         [] { return ql_quantize_recipe_at(-1) == nullptr && ql_quantize_recipe_at(INT64_MAX) == nullptr; }},
        {"ql_quantize_options_init", [] { return ql_quantize_options_init(nullptr), true; }},
        {"ql_dataset_options_init", [] { return ql_dataset_options_init(nullptr), true; }},
        {"ql_dataset_bad_line", [this] { return !ql_dataset_bad_line(nullptr, 0) && !ql_dataset_bad_line(data_, 0); }},
        {"ql_dataset_note", [this] { return !ql_dataset_note(nullptr, 0) && !ql_dataset_note(data_, -1); }},
        {"ql_dataset_note", [this] { return ql_dataset_note(data_, INT64_MAX) == nullptr; }},
        {"ql_dataset_free", [] { return ql_dataset_free(nullptr), true; }},
        {"ql_lora_options_init", [] { return ql_lora_options_init(nullptr), true; }},
        {"ql_eva_options_init", [] { return ql_eva_options_init(nullptr), true; }},
        {"ql_compose_options_init", [] { return ql_compose_options_init(nullptr), true; }},
        {"ql_extract_options_init", [] { return ql_extract_options_init(nullptr), true; }},
        {"ql_resize_options_init", [] { return ql_resize_options_init(nullptr), true; }},
        {"ql_to_lora_options_init", [] { return ql_to_lora_options_init(nullptr), true; }},
        {"ql_evaluate_options_init", [] { return ql_evaluate_options_init(nullptr), true; }},
        {"ql_prune_options_init", [] { return ql_prune_options_init(nullptr), true; }},
        {"ql_adapter_free", [] { return ql_adapter_free(nullptr), true; }},
        {"ql_adapter_note", [] { return !ql_adapter_note(nullptr, 0); }},
        {"ql_adapter_chat_date", [] { return *ql_adapter_chat_date(nullptr) == '\0'; }},
        {"ql_adapter_chat_template_kwargs", [] { return *ql_adapter_chat_template_kwargs(nullptr) == '\0'; }},
        {"ql_adapter_chat_template", [] { return *ql_adapter_chat_template(nullptr) == '\0'; }},
        {"ql_session_options_init", [] { return ql_session_options_init(nullptr), true; }},
        {"ql_session_free", [] { return ql_session_free(nullptr), true; }},
        {"ql_session_reset", [] { return ql_session_reset(nullptr), true; }},
        {"ql_session_position", [] { return ql_session_position(nullptr) == 0; }},
        {"ql_session_plan", [this] { return !ql_session_plan(nullptr, 1) && !ql_session_plan(session_, -1); }},
        {"ql_engine_options_init", [] { return ql_engine_options_init(nullptr), true; }},
        {"ql_engine_free", [] { return ql_engine_free(nullptr), true; }},
        {"ql_engine_logits", [this] { return !ql_engine_logits(nullptr, 0) && !ql_engine_logits(engine_, 0); }},
        {"ql_engine_logits", [this] { return !ql_engine_logits(engine_, -1) && !ql_engine_logits(engine_, 2); }},
        {"ql_engine_position", [this] { return !ql_engine_position(nullptr, 0) && !ql_engine_position(engine_, 9); }},
        {"ql_engine_free_pages", [] { return ql_engine_free_pages(nullptr) == 0; }},
        {"ql_engine_plan", [this] { return !ql_engine_plan(nullptr, 1) && !ql_engine_plan(engine_, 0); }},
        {"ql_sampling_init", [] { return ql_sampling_init(nullptr), true; }},
        {"ql_generate_options_init", [] { return ql_generate_options_init(nullptr), true; }},
        {"ql_train_options_init", [] { return ql_train_options_init(nullptr), true; }},
        {"ql_trainer_free", [] { return ql_trainer_free(nullptr), true; }},
        {"ql_trainer_plan", [] { return ql_trainer_plan(nullptr, wrong<ql_train_plan>(77)) == nullptr; }},
        {"ql_tokenizer_free", [] { return ql_tokenizer_free(nullptr), true; }},
        {"ql_tokenizer_n_tokens", [] { return ql_tokenizer_n_tokens(nullptr) == 0; }},
        {"ql_tokenizer_bos", [] { return ql_tokenizer_bos(nullptr) == -1; }},
        {"ql_tokenizer_eos", [] { return ql_tokenizer_eos(nullptr) == -1; }},
        {"ql_tokenizer_eot", [] { return ql_tokenizer_eot(nullptr) == -1; }},
        {"ql_tokenizer_padding", [] { return ql_tokenizer_padding(nullptr) == -1; }},
        {"ql_tokenizer_is_end", [own] { return !ql_tokenizer_is_end(nullptr, 0) && !ql_tokenizer_is_end(own, -9); }},
        {"ql_tokenizer_is_end", [own] { return ql_tokenizer_is_end(own, INT32_MAX) == 0; }},
        {"ql_tokenizer_adds_bos", [] { return ql_tokenizer_adds_bos(nullptr) == 0; }},
    };
}

TEST_F(ModelArguments, WrongOnesAreRefusedWithAMessage) {
    expect_refused(all_calls());
    EXPECT_FALSE(std::filesystem::exists(folder_.path("out.gguf")));
}

TEST_F(ModelArguments, NothingHappensToNull) {
    expect_nothing(null_calls());
}

TEST_F(ModelArguments, OfEveryFunctionAreTried) {
    expect_all_tried(QL_SOURCE_DIR "/tests/abi/exports-ql-models.txt", all_calls(), null_calls(), {});
}

TEST_F(ModelArguments, TheSmallestAndTheLargestContextAreEvaluated) {
    EXPECT_EQ(evaluating(256)(), QL_OK) << ql_error_message();
    EXPECT_EQ(evaluating(64)(), QL_OK) << ql_error_message();
}

}  // namespace ql::test
