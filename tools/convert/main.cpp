// ql-convert: a Hugging Face directory as one GGUF file, for this project's programs and for llama.cpp.
#include <filesystem>

#include "tools/cli/rewrite.hpp"

namespace {

constexpr const char * kExamples =
    "  ql-convert SmolLM2-135M-Instruct smollm2.gguf\n"
    "  ql-convert Qwen3-0.6B qwen3-q4_K_M.gguf --type q4_K_M\n"
    "  ql-convert gemma-3-270m gemma.gguf --type nf4_dq --search -v";

}  // namespace

int main(int argc, char ** argv) {
    ql::cli::Rewrite convert("ql-convert",
                             "Writes a Hugging Face directory as a GGUF file: weights, tokenizer, chat template; norms "
                             "and biases become f32.",
                             kExamples);
    ql::cli::Program & program = convert.program;
    convert.in_option = "DIR", convert.type_option = "--type", convert.type = "keep";
    program
        .text("dir", convert.in,
              "The model: config.json, *.safetensors, tokenizer.json or tokenizer.model, chat_template.jinja")
        ->required()
        ->option_text("DIR");
    program.text("out", convert.out, "The file to write; an existing one is replaced, at the very end")
        ->required()
        ->option_text("OUT.gguf");
    program
        .text("--type", convert.type,
              "Of the matrices of the blocks: keep (as in the directory), " + ql::cli::Rewrite::type_names())
        ->option_text("TYPE");
    convert.add_options();
    return program.run(argc, argv, [&] {
        std::error_code ec;
        if (!std::filesystem::is_directory(convert.in, ec))
            ql::cli::bad_input("DIR: %s: is no directory%s", convert.in.c_str(),
                               std::filesystem::exists(convert.in, ec) ? "; ql-quantize rewrites GGUF files" : "");
        return convert.run("convert");
    });
}
