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

/// A number, and what stands behind it.
struct Numbered {
    std::string_view number, rest;
};

/// Splits "model.layers.7.mlp.up_proj.weight" behind `before`, "model.layers.", into "7" and ".mlp.up_proj.weight".
std::optional<Numbered> split_at_number(std::string_view name, std::string_view before) {
    if (!name.starts_with(before)) return {};
    name.remove_prefix(before.size());
    const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    const bool canonical = digits >= 1 && digits <= kMaxDigits && (digits == 1 || name[0] != '0');  // "007" is no layer
    if (!canonical) return {};
    return Numbered{name.substr(0, digits), name.substr(digits)};
}

/// The same for a layer's number, without the dot behind it.
std::optional<Numbered> split_layer(std::string_view name, std::string_view layers) {
    auto split = split_at_number(name, layers);
    if (!split || !split->rest.starts_with('.')) return {};
    split->rest.remove_prefix(1);
    return split;
}

std::string in_layer(std::string_view layers, std::string_view number, std::string_view name) {
    return std::string(layers).append(number).append(".").append(name);
}

/// Translates what stands behind the layer's number.
std::optional<std::string> translate_in_layer(std::span<const HfName> table, std::string_view name, Side from, Side to,
                                              std::string_view from_layers, std::string_view to_layers) {
    const auto layer = split_layer(name, from_layers);
    if (!layer) return {};
    const std::string_view translated = translate(table, layer->rest, from, to);
    if (translated.empty()) return {};
    return in_layer(to_layers, layer->number, translated);
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

std::optional<HfExpert> HfNames::expert(std::string_view hf_name) const {
    const auto layer = split_layer(hf_name, kHfLayers);
    if (!layer) return {};
    for (const HfName & name : experts_) {
        const size_t star = name.hf.find('*');
        const auto split = split_at_number(layer->rest, name.hf.substr(0, star));
        if (!split || split->rest != name.hf.substr(star + 1)) continue;
        return HfExpert{in_layer(kLayers, layer->number, name.gguf), std::stoll(std::string(split->number))};
    }
    return {};
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
