// Multiple choice: questions with several answers, of which one is right.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ql/status.hpp"

namespace ql {

struct ChoiceQuestion {
    int64_t line = 0;  // of its file
    std::string question;
    std::vector<std::string> choices;
    size_t answer = 0;
};

/// Reads {"question", "choices": [text, ...], "answer"}: the answer is a choice's number, from 0, or its text. Other fields
/// are mere description (fields.hpp), or refused by name.
/// errors  "FILE:LINE: what" with QL_BAD_FILE: a field missing or of another type, fewer than two choices, an empty one,
///         two that are equal, an answer that is none of them;  QL_UNSUPPORTED: another field;  QL_NOT_FOUND, QL_IO
Result<std::vector<ChoiceQuestion>> read_choices(const std::string & path);

}  // namespace ql
