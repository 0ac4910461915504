// tokenizer.model, SentencePiece's file: any bytes are a tokenizer that works, or are refused.
#include "fuzz/tokenizing.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    ql::fuzz::open_tokenizer_file("tokenizer/tokenizer.model", data, size);
    return 0;
}
