// What a model is asked with, from a file: one prompt a line, or samples without their answers.
#pragma once
#include <string>
#include <vector>

#include "models/model/model.hpp"
#include "ql/status.hpp"

namespace ql {

struct PromptOptions {
    std::string system;         // of prompts that have none
    bool raw = false;           // no prompt is a conversation
    std::string chat_template;  // Jinja text; "": the model's
    std::string date;           // that it is told; "": today
    std::string kwargs;         // values that it reads by name
    std::string columns;        // columns.hpp
};

struct AskedPrompt {
    std::string text;   // the last message, or a raw prompt
    std::string place;  // "FILE:LINE"
    std::vector<int32_t> tokens;
};

/// The lines of a plain text that are not blank, each a message where there is a chat template, else raw; of other files the
/// forms of forms.hpp, as parse_prompt reads them.
/// errors  "FILE:LINE: what", at the first prompt that cannot be read; "FILE: what": there is none
Result<std::vector<AskedPrompt>> read_prompts(const std::string & path, const Model & model,
                                              const PromptOptions & options);

}  // namespace ql
