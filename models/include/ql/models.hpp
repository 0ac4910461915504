/* ql/models.hpp - the C++ face of ql/models.h, as ql/ql.hpp is that of the engine: owning handles, defaults of options,
 * tokens and texts as vectors, strings and spans. Header only, C++20.
 *
 *     ql::Status finetune(const char * base, const char * chats, const char * adapter_path) {
 *         ql::DevicePtr device;                                     what is declared last is freed first
 *         ql::ModelPtr model;
 *         ql::DatasetPtr data;
 *         ql::AdapterPtr adapter;
 *         ql::TrainerPtr trainer;
 *         auto options = ql::defaults<ql_train_options>();
 *         options.epochs = 2;
 *         QL_TRY(ql_device_open(nullptr, ql::out(device)));
 *         QL_TRY(ql_model_open(base, nullptr, ql::out(model)));
 *         QL_TRY(ql_dataset_open(chats, model.get(), nullptr, ql::out(data)));
 *         QL_TRY(ql_adapter_create(model.get(), nullptr, ql::out(adapter)));
 *         QL_TRY(ql_trainer_create(model.get(), device.get(), adapter.get(), data.get(), nullptr, &options,
 *                                  ql::out(trainer)));
 *         QL_TRY(ql_trainer_run(trainer.get()));
 *         return ql_adapter_save(adapter.get(), adapter_path);
 *     } */
#ifndef QL_MODELS_HPP
#define QL_MODELS_HPP

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ql/models.h"
#include "ql/ql.hpp"

namespace ql {

using ModelPtr = Handle<ql_model, ql_model_close>;
using TokenizerPtr = Handle<ql_tokenizer, ql_tokenizer_free>;
using AdapterPtr = Handle<ql_adapter, ql_adapter_free>;
using DatasetPtr = Handle<ql_dataset, ql_dataset_free>;
using TrainerPtr = Handle<ql_trainer, ql_trainer_free>;
using SessionPtr = Handle<ql_session, ql_session_free>;
using EnginePtr = Handle<ql_engine, ql_engine_free>;
using PromptListPtr = Handle<ql_prompt_list, ql_prompt_list_free>;

template <>
inline constexpr auto defaults_function<ql_model_options> = &ql_model_options_init;
template <>
inline constexpr auto defaults_function<ql_lora_options> = &ql_lora_options_init;
template <>
inline constexpr auto defaults_function<ql_compose_options> = &ql_compose_options_init;
template <>
inline constexpr auto defaults_function<ql_extract_options> = &ql_extract_options_init;
template <>
inline constexpr auto defaults_function<ql_resize_options> = &ql_resize_options_init;
template <>
inline constexpr auto defaults_function<ql_to_lora_options> = &ql_to_lora_options_init;
template <>
inline constexpr auto defaults_function<ql_evaluate_options> = &ql_evaluate_options_init;
template <>
inline constexpr auto defaults_function<ql_prune_options> = &ql_prune_options_init;
template <>
inline constexpr auto defaults_function<ql_dataset_options> = &ql_dataset_options_init;
template <>
inline constexpr auto defaults_function<ql_train_options> = &ql_train_options_init;
template <>
inline constexpr auto defaults_function<ql_eva_options> = &ql_eva_options_init;
template <>
inline constexpr auto defaults_function<ql_session_options> = &ql_session_options_init;
template <>
inline constexpr auto defaults_function<ql_engine_options> = &ql_engine_options_init;
template <>
inline constexpr auto defaults_function<ql_sampling> = &ql_sampling_init;
template <>
inline constexpr auto defaults_function<ql_generate_options> = &ql_generate_options_init;
template <>
inline constexpr auto defaults_function<ql_answer_options> = &ql_answer_options_init;
template <>
inline constexpr auto defaults_function<ql_prompt_options> = &ql_prompt_options_init;
template <>
inline constexpr auto defaults_function<ql_chat_options> = &ql_chat_options_init;
template <>
inline constexpr auto defaults_function<ql_quantize_options> = &ql_quantize_options_init;

/// ql_tokenize: the tokens of a text; flags are QL_TOKENIZE_* or 0.
inline Result<std::vector<int32_t>> tokenize(const ql_tokenizer * tokenizer, std::string_view text, int flags) {
    int64_t n = 0;
    QL_TRY(ql_tokenize(tokenizer, text.data(), text.size(), flags, nullptr, nullptr, 0, &n));
    std::vector<int32_t> tokens(static_cast<size_t>(n));
    QL_TRY(ql_tokenize(tokenizer, text.data(), text.size(), flags, tokens.data(), nullptr, n, &n));
    return tokens;
}

/// ql_detokenize: the text of tokens; flags are QL_DETOKENIZE_* or 0.
inline Result<std::string> detokenize(const ql_tokenizer * tokenizer, std::span<const int32_t> tokens, int flags) {
    const auto n = static_cast<int64_t>(tokens.size());
    size_t size = 0;
    QL_TRY(ql_detokenize(tokenizer, tokens.data(), n, flags, nullptr, 0, &size));
    std::string text(size, '\0');
    QL_TRY(ql_detokenize(tokenizer, tokens.data(), n, flags, text.data(), size, &size));
    return text;
}

/// ql_token_piece: the bytes of one token, owned by the tokenizer.
inline Result<std::string_view> token_piece(const ql_tokenizer * tokenizer, int32_t id) {
    const char * data = nullptr;
    size_t size = 0;
    QL_TRY(ql_token_piece(tokenizer, id, &data, &size));
    return std::string_view(data, size);
}

/// ql_session_eval: reads tokens, and returns the logits of the one after them, owned by the session until the next call.
inline Result<const float *> eval(const SessionPtr & session, std::span<const int32_t> tokens) {
    const float * logits = nullptr;
    QL_TRY(ql_session_eval(session.get(), tokens.data(), static_cast<int64_t>(tokens.size()), &logits));
    return logits;
}

/// ql_generate: what follows the prompt's tokens; the text is owned by the session until the next call.
inline Result<ql_generate_result> generate(const SessionPtr & session, std::span<const int32_t> prompt,
                                           const ql_generate_options & options) {
    auto result = sized<ql_generate_result>();
    QL_TRY(ql_generate(session.get(), prompt.data(), static_cast<int64_t>(prompt.size()), &options, &result));
    return result;
}

}  // namespace ql

#endif
