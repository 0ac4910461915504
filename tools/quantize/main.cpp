// ql-quantize: a GGUF model in another weight type, with the error of what changed.
#include "tools/cli/rewrite.hpp"

namespace {

constexpr const char * kExamples =
    "  ql-quantize model-f16.gguf model-nf4_dq.gguf nf4_dq --search\n"
    "  ql-quantize model-f16.gguf model-q4_K_M.gguf q4_K_M\n"
    "  ql-quantize model-f16.gguf model-q8_0.gguf q8_0 --embeddings f16 -v";

}  // namespace

int main(int argc, char ** argv) {
    ql::cli::Rewrite quantize(
        "ql-quantize", "Writes a GGUF model with other weight types: the matrices of the blocks take TYPE, norms stay.",
        kExamples);
    ql::cli::Program & program = quantize.program;
    program.text("in", quantize.in, "The model, GGUF or a Hugging Face directory")->required()->option_text("IN.gguf");
    program.text("out", quantize.out, "The file to write; an existing one is replaced, at the very end")
        ->required()
        ->option_text("OUT.gguf");
    program.text("type", quantize.type, ql::cli::Rewrite::type_names() + "; or keep: their own")
        ->required()
        ->option_text("TYPE");
    quantize.add_options();
    return program.run(argc, argv, [&] { return quantize.run("quantize"); });
}
