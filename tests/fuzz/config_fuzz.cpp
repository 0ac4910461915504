// config.json beside sound tensors: the shape that a Hugging Face directory states, which the tensors must have; what is
// converted opens again.
#include <filesystem>

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    static const bool made = [] {
        std::filesystem::create_directory(folder().path("hf"));
        std::filesystem::copy(QL_SOURCE_DIR "/tests/golden/arch/llama/model.safetensors",
                              folder().path("hf/model.safetensors"));
        return true;
    }();
    (void)made;
    write("hf/config.json", data, size);
    ql_model * model = nullptr;
    if (refused(ql_model_open(folder().path("hf").c_str(), nullptr, &model))) return 0;
    check_model(model);
    ql_model_close(model);
    const std::string out = folder().path("out.gguf");
    ql_quantize_options options;
    ql_quantize_options_init(&options);
    options.type = QL_BASE_KEEP, options.threads = 1;
    if (refused(ql_quantize(folder().path("hf").c_str(), out.c_str(), &options))) return 0;
    must(ql_model_open(out.c_str(), nullptr, &model), "ql_model_open of what was converted");
    ql_model_close(model);
    return 0;
}
