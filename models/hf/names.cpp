#include "models/hf/names.hpp"

#include <algorithm>

#include "models/files/weight_names.hpp"

namespace ql {
namespace {

constexpr std::string_view kHfLayers = "model.layers.";
constexpr size_t kMaxDigits = 6;

using Side = std::string_view HfName::*;

std::string_view translate(std::span<const HfName> table, std::string_view name, Side from, Side to) {
    const auto row = std::find_if(table.begin(), table.end(), [&](const HfName & n) { return n.*from == name; });
    return row == table.end() ? std::string_view() : (*row).*to;
}

/// Translates what stands behind the layer's number.
std::optional<std::string> translate_in_layer(std::span<const HfName> table, std::string_view name, Side from, Side to,
                                              std::string_view from_layers, std::string_view to_layers) {
    if (!name.starts_with(from_layers)) return {};
    name.remove_prefix(from_layers.size());
    const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    const bool canonical = digits >= 1 && digits <= kMaxDigits && (digits == 1 || name[0] != '0');  // "007" is no layer
    if (!canonical || digits == name.size() || name[digits] != '.') return {};
    const std::string_view number = name.substr(0, digits);
    const std::string_view translated = translate(table, name.substr(digits + 1), from, to);
    if (translated.empty()) return {};
    return std::string(to_layers).append(number).append(".").append(translated);
}

}  // namespace

std::optional<std::string> HfNames::gguf_name(std::string_view hf_name) const {
    if (const auto whole = translate(whole_, hf_name, &HfName::hf, &HfName::gguf); !whole.empty())
        return std::string(whole);
    return translate_in_layer(layer_, hf_name, &HfName::hf, &HfName::gguf, kHfLayers, kLayers);
}

std::optional<std::string> HfNames::hf_name(std::string_view gguf_name) const {
    if (const auto whole = translate(whole_, gguf_name, &HfName::gguf, &HfName::hf); !whole.empty())
        return std::string(whole);
    return translate_in_layer(layer_, gguf_name, &HfName::gguf, &HfName::hf, kLayers, kHfLayers);
}

std::string_view HfNames::linear_of_module(std::string_view word) const {
    const std::string ending = "." + std::string(word) + ".weight";
    for (const HfName & name : layer_)
        if (name.hf.ends_with(ending)) return name.gguf.substr(0, name.gguf.rfind('.'));
    return {};
}

bool is_ignored_hf_name(std::string_view hf_name) {
    return hf_name.ends_with(".rotary_emb.inv_freq");
}

}  // namespace ql
