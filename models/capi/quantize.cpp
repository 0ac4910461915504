// extern "C": ql/quantize.h
#include "models/quantize/quantize_file.hpp"

#include <filesystem>

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "models/convert/convert_directory.hpp"
#include "models/quantize/recipe.hpp"
#include "ql/model.h"

extern "C" {

void ql_quantize_options_init(ql_quantize_options * options) {
    if (options)
        *options = {sizeof(ql_quantize_options), QL_NF4_DQ, QL_BASE_AUTO, nullptr, nullptr, 0, 0, nullptr, 0, nullptr};
}

const char * ql_quantize_recipe_at(int64_t i) {
    const ql::Recipe * recipe = ql::recipe_at(i);
    return recipe ? recipe->name : nullptr;
}

ql_status ql_quantize(const char * in, const char * out, const ql_quantize_options * options) {
    return ql::guarded([&]() -> ql::Status {
        if (!in || !out) return ql::error(QL_INVALID_ARGUMENT, "ql_quantize: a path is NULL");
        ql_quantize_options defaults;
        ql_quantize_options_init(&defaults);
        QL_ASSIGN(const ql_quantize_options o, ql::take_struct(options, defaults));
        std::error_code ec;
        if (std::filesystem::is_directory(in, ec)) return ql::convert_directory(in, out, o);
        return ql::quantize_file(in, out, o);
    });
}

}  // extern "C"
