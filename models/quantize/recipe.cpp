#include "models/quantize/recipe.hpp"

#include <algorithm>

#include "models/files/weight_names.hpp"
#include "ql/model.h"

namespace ql {
namespace {

constexpr Recipe kRecipes[] = {
    {"q3_K_S", QL_Q3_K, 11}, {"q3_K_M", QL_Q3_K, 12}, {"q3_K_L", QL_Q3_K, 13}, {"q4_K_S", QL_Q4_K, 14},
    {"q4_K_M", QL_Q4_K, 15}, {"q5_K_S", QL_Q5_K, 16}, {"q5_K_M", QL_Q5_K, 17},
};

/// Which of the layers a rule is for.
enum class Of { all, first_two, first_four, first_eighth, first_sixteenth, outer_and_thirds };

/// Matrices whose name begins so get the type; of several rules the first that fits.
struct Rule {
    std::string_view recipe, matrix;
    Of layers;
    ql_dtype type;
};

constexpr Rule kRules[] = {
    {"q3_K_M", "attn_v", Of::first_two, QL_Q5_K},
    {"q3_K_M", "attn_v", Of::all, QL_Q4_K},
    {"q3_K_M", "ffn_down", Of::first_sixteenth, QL_Q5_K},
    {"q3_K_M", "ffn_down", Of::all, QL_Q4_K},
    {"q3_K_M", "attn_output", Of::all, QL_Q4_K},
    {"q3_K_M", "attn_qkv", Of::all, QL_Q4_K},
    {"q3_K_L", "attn_v", Of::all, QL_Q5_K},
    {"q3_K_L", "ffn_down", Of::all, QL_Q5_K},
    {"q3_K_L", "attn_output", Of::all, QL_Q5_K},
    {"q3_K_L", "attn_qkv", Of::all, QL_Q4_K},
    {"q4_K_S", "attn_v", Of::first_four, QL_Q5_K},
    {"q4_K_S", "ffn_down", Of::first_eighth, QL_Q5_K},
    {"q4_K_M", "attn_v", Of::outer_and_thirds, QL_Q6_K},
    {"q4_K_M", "ffn_down", Of::outer_and_thirds, QL_Q6_K},
    {"q4_K_M", "attn_qkv", Of::all, QL_Q5_K},
    {"q5_K_M", "attn_v", Of::outer_and_thirds, QL_Q6_K},
    {"q5_K_M", "ffn_down", Of::outer_and_thirds, QL_Q6_K},
    {"q5_K_M", "attn_qkv", Of::all, QL_Q6_K},
};

bool is_among(Of layers, int64_t i, int64_t n) {
    switch (layers) {
        case Of::first_two:
            return i < 2;
        case Of::first_four:
            return i < 4;
        case Of::first_eighth:
            return i < n / 8;
        case Of::first_sixteenth:
            return i < n / 16;
        case Of::outer_and_thirds:
            return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
        case Of::all:
            break;
    }
    return true;
}

ql_dtype block_type(const Recipe & recipe, const RecipeModel & model, std::string_view name) {
    const std::string_view matrix = linear_of(name);
    for (const Rule & rule : kRules)
        if (rule.recipe == recipe.name && matrix.starts_with(rule.matrix) &&
            is_among(rule.layers, layer_of(name), model.n_layer))
            return rule.type;
    return recipe.type;
}

bool same_letters(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

const Recipe * find_recipe(std::string_view name) {
    for (const Recipe & recipe : kRecipes)
        if (same_letters(name, recipe.name)) return &recipe;
    return nullptr;
}

const Recipe * recipe_at(int64_t i) {
    return i >= 0 && i < static_cast<int64_t>(std::size(kRecipes)) ? &kRecipes[i] : nullptr;
}

std::string recipe_names() {
    std::string names;
    for (const Recipe & recipe : kRecipes) names += (names.empty() ? "" : " ") + std::string(recipe.name);
    return names;
}

QuantizeChoice choose_recipe_type(const Recipe & recipe, const RecipeModel & model, std::string_view name, int n_dims,
                                  ql_dtype from, int64_t row, int64_t embedding_type) {
    switch (weight_role(name, n_dims)) {
        case WeightRole::other:
            return {from, ""};
        case WeightRole::block_matrix:
            return choose_type(name, from, row, block_type(recipe, model, name));
        case WeightRole::embedding:
            break;
    }
    if (embedding_type == QL_BASE_KEEP) return {from, ""};
    if (embedding_type != QL_BASE_AUTO) return choose_type(name, from, row, static_cast<ql_dtype>(embedding_type));
    const bool is_head = model.tied || name == "output.weight";
    const ql_dtype type = is_head ? QL_Q6_K : recipe.type;
    return choose_type(name, from, row, row % ql_dtype_block_length(type) == 0 ? type : QL_Q8_0);
}

}  // namespace ql
