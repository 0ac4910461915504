#include "models/convert/llama_cpp_notes.hpp"

#include <algorithm>

#include "ql/status.hpp"

namespace ql {
namespace {

constexpr std::string_view kWithAllBiases[] = {"llama", "granite", "mistral3"};
constexpr std::string_view kBiasesOfAll[] = {".attn_q.bias", ".attn_k.bias", ".attn_v.bias", ".attn_qkv.bias"};
constexpr std::string_view kHead = "output.weight", kWithoutHead = "gemma2", kWithHead = "olmo2";

bool reads_bias(std::string_view arch, std::string_view name) {
    if (std::find(std::begin(kWithAllBiases), std::end(kWithAllBiases), arch) != std::end(kWithAllBiases)) return true;
    return std::any_of(std::begin(kBiasesOfAll), std::end(kBiasesOfAll),
                       [&](std::string_view end) { return name.ends_with(end); });
}

}  // namespace

std::vector<std::string> llama_cpp_notes(std::string_view arch, const std::vector<std::string> & tensors) {
    std::vector<std::string> notes;
    const std::string model(arch);
    const auto bias = std::find_if(tensors.begin(), tensors.end(), [&](const std::string & name) {
        return name.ends_with(".bias") && !reads_bias(arch, name);
    });
    if (bias != tensors.end())
        notes.push_back(
            format("llama.cpp will refuse the file: it knows no '%s' of a model of type '%s'; these programs do",
                   bias->c_str(), model.c_str()));
    const bool has_head = std::find(tensors.begin(), tensors.end(), kHead) != tensors.end();
    if (has_head && arch == kWithoutHead)
        notes.push_back(
            format("llama.cpp will refuse the file: it takes the embedding for the head of a model of type '%s'; these "
                   "programs read the head that is there",
                   model.c_str()));
    if (!has_head && arch == kWithHead)
        notes.push_back(format(
            "llama.cpp will refuse the file: it wants a head beside the embedding in a model of type '%s'; these "
            "programs do without",
            model.c_str()));
    return notes;
}

}  // namespace ql
