#include "models/adapter/adapter.hpp"

#include <filesystem>

#include "models/adapter/formats.hpp"

namespace ql {

int64_t Adapter::n_parameters() const {
    int64_t n = 0;
    for (const LoraMatrix & matrix : matrices) n += (matrix.k + matrix.m) * matrix.r;
    return n;
}

Result<Adapter> read_adapter(const std::string & path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored))
        return error(QL_INVALID_ARGUMENT,
                     "%s: a PEFT directory is read with its base model at hand, which says how rows are ordered",
                     path.c_str());
    return load_gguf_adapter(path, nullptr);
}

Result<Adapter> load_adapter(const std::string & path, const Model & model) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored) ? load_peft_adapter(path, model)
                                                        : load_gguf_adapter(path, &model);
}

}  // namespace ql
