// GGUF models, beyond the reader of the container: keys of the architecture and of the vocabulary, shapes of tensors.
// A model that opens has a shape, and a tokenizer that works.
#include "fuzz/tokenizing.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    ql_model * model = nullptr;
    if (refused(ql_model_open(write("input.gguf", data, size).c_str(), nullptr, &model))) return 0;
    check_model(model);
    require(ql_model_chat_template(model) != nullptr, "neither a template nor an empty one");
    if (const ql_tokenizer * tokenizer = ql_model_tokenizer(model)) check_tokenizer(tokenizer);
    ql_model_close(model);
    return 0;
}
