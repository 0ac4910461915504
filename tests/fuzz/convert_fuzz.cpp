// tokenizer.json beside a sound model: a directory that is converted gives a GGUF file that opens, with as many tokens as the
// embedding has rows.
#include <filesystem>

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    static const bool made = [] {
        std::filesystem::create_directory(folder().path("hf"));
        for (const char * name : {"/config.json", "/model.safetensors"})
            std::filesystem::copy(std::string(QL_SOURCE_DIR "/tests/golden/arch/llama") + name,
                                  folder().path("hf") + name);
        return true;
    }();
    (void)made;
    write("hf/tokenizer.json", data, size);
    const std::string out = folder().path("out.gguf");
    ql_quantize_options options;
    ql_quantize_options_init(&options);
    options.type = QL_BASE_KEEP, options.threads = 1;
    if (refused(ql_quantize(folder().path("hf").c_str(), out.c_str(), &options))) return 0;
    ql_model * model = nullptr;
    must(ql_model_open(out.c_str(), nullptr, &model), "ql_model_open of what was converted");
    check_model(model);
    ql_model_close(model);
    return 0;
}
