// Mixed types under one name, such as q4_K_M: which matrices of a model get more bits than the others. The recipes are
// those of llama.cpp (llama_tensor_get_type), so that a name means the same file there and here.
#pragma once
#include "models/quantize/policy.hpp"

namespace ql {

struct Recipe {
    const char * name;
    ql_dtype type;  // of the matrices that have no rule
    int file_type;  // general.file_type
};

/// nullptr where no recipe has the name, whose case does not count.
const Recipe * find_recipe(std::string_view name);
/// "q3_K_S, q3_K_M ... and q6_K".
std::string recipe_names();
const Recipe * recipe_at(int64_t i);

/// What a recipe looks at beside a tensor itself.
struct RecipeModel {
    int64_t n_layer;
    bool tied;  // no output.weight: the embedding is the head, too
};

/// What a tensor of a file becomes. Embedding and head: the recipe's type and q6_K where embedding_type is QL_BASE_AUTO;
/// q8_0 where their rows are no whole blocks of it.
QuantizeChoice choose_recipe_type(const Recipe & recipe, const RecipeModel & model, std::string_view name, int n_dims,
                                  ql_dtype from, int64_t row, int64_t embedding_type);

}  // namespace ql
