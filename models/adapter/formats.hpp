// The file formats of adapters, and the check that both reading and writing share.
#pragma once
#include <string>
#include <string_view>

#include "models/adapter/adapter.hpp"
#include "models/model/model.hpp"

namespace ql {

/// Whether a weight of this name is a norm's: "blk.0.attn_norm.weight".
inline bool is_norm(std::string_view weight) {
    return weight.ends_with("_norm.weight");
}

/// A linear of the model that takes this branch: the weight is one of the model's linears and A, B have its sides.
/// `what` names the tensor in messages.
Status check_fits(const Model & model, const std::string & weight, int64_t k, int64_t m, const std::string & what);

/// That the adapter was trained on this base, in whatever quantisation; one that does not say passes.
/// errors  QL_BAD_FILE names both
Status check_base(const Adapter & adapter, const std::string & base_name, const BaseIdentity & base);

/// The whole adapter: each weight once, sizes agree, ranks at least 1, all numbers finite; and that architecture and
/// every branch fit the model, where that is at hand.
Status check_adapter(const Adapter & adapter, const Model * model);

/// A day of the calendar, or "".       errors  QL_BAD_FILE names the key
Status check_chat_date(const char * key, const std::string & date);
/// errors  QL_BAD_FILE: not what read_template_kwargs (template_kwargs.hpp) takes
Status check_chat_kwargs(const char * key, const std::string & kwargs);

/// The scale as an alpha over the rank, with as few decimal digits as give back the same scale: 32 rather than 32.000004.
double plain_alpha(const LoraMatrix & matrix);      // alpha / r in f64, as PEFT divides
float plain_gguf_alpha(const LoraMatrix & matrix);  // in f32, as llama.cpp divides

/// Texts of a PEFT directory's tensors file that its config has no field for.
inline constexpr const char * kNameText = "qlora.name";
inline constexpr const char * kBaseNameText = "qlora.base_name";
inline constexpr const char * kChatDateText = "qlora.chat_date";
inline constexpr const char * kChatKwargsText = "qlora.chat_template_kwargs";

/// That a folder has the config of a PEFT adapter.
/// errors  QL_NOT_FOUND says what is missing, and names a folder in it that has one
Status check_peft_folder(const std::string & directory);

/// model: null if it is not at hand; what only it can say is then not checked.
Result<Adapter> load_gguf_adapter(const std::string & path, const Model * model, BaseRule rule);
Result<Adapter> load_peft_adapter(const std::string & directory, const Model & model, BaseRule rule);

}  // namespace ql
