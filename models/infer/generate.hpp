// Generation: prompt in, tokens out one by one, text as it becomes complete.
#pragma once
#include <string>

#include "models/infer/session.hpp"
#include "ql/generate.h"

namespace ql {

struct Generated {
    std::string text;
    int64_t n_generated = 0;
    double prompt_seconds = 0, generation_seconds = 0;
    bool ended = false;
};

Result<Generated> generate(Session & session, std::span<const int32_t> prompt, const ql_generate_options & options);

}  // namespace ql
