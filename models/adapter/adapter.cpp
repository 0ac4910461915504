#include "models/adapter/adapter.hpp"

#include <filesystem>

#include "models/adapter/formats.hpp"

namespace ql {

int64_t Adapter::n_parameters() const {
    int64_t n = 0;
    for (const LoraMatrix & matrix : matrices) n += (matrix.k + matrix.m) * matrix.r;
    return n;
}

Result<Adapter> load_adapter(const std::string & path, const Model & model) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored) ? load_peft_adapter(path, model)
                                                        : load_gguf_adapter(path, model);
}

}  // namespace ql
