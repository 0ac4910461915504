#include "models/files/weight_names.hpp"

#include <charconv>

namespace ql {
namespace {

constexpr std::string_view kWeight = ".weight", kBias = ".bias", kScale = ".scale", kInputScale = ".input_scale";

std::string with_ending(std::string_view name, std::string_view ending) {
    return std::string(name.substr(0, name.rfind('.'))).append(ending);
}

}  // namespace

std::string layer_prefix(int64_t layer) {
    return std::string(kLayers) + std::to_string(layer) + ".";
}

std::string linear_weight(int64_t layer, std::string_view linear) {
    return layer_prefix(layer).append(linear).append(kWeight);
}

int64_t layer_of(std::string_view name) {
    int64_t layer = -1;
    if (name.starts_with(kLayers)) std::from_chars(name.data() + kLayers.size(), name.data() + name.size(), layer);
    return layer;
}

std::string_view linear_of(std::string_view weight) {
    if (!weight.starts_with(kLayers) || !weight.ends_with(kWeight)) return {};
    weight.remove_suffix(kWeight.size());
    const size_t dot = weight.rfind('.');
    return dot == weight.npos || dot < kLayers.size() ? std::string_view() : weight.substr(dot + 1);
}

std::string bias_of(std::string_view weight) {
    return with_ending(weight, kBias);
}

std::string scale_of(std::string_view weight) {
    return with_ending(weight, kScale);
}

std::string input_scale_of(std::string_view weight) {
    return with_ending(weight, kInputScale);
}

std::string weight_of(std::string_view name) {
    return with_ending(name, kWeight);
}

}  // namespace ql
