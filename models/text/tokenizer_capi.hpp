// The object behind ql/tokenizer.h, for the other parts of models/ that hand out tokenizers.
#pragma once
#include "models/text/tokenizer.hpp"
#include "ql/tokenizer.h"

struct ql_tokenizer {
    ql::Tokenizer tokenizer;
};
