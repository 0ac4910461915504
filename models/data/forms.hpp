// The forms that samples are written in, recognised by their keys, brought to three: a conversation, a prompt with its
// completion, a text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/data/columns.hpp"
#include "models/text/chat_template.hpp"
#include "ql/status.hpp"

namespace ql {

struct Sample {
    enum class Kind {
        chat,        // messages: rendered with the chat template, the assistant's are trained
        completion,  // prompt, text: the two one after the other as they stand, the text and EOS are trained
        text,        // text: all of it and EOS are trained
    };
    int64_t line = 0;
    int32_t file = 0;  // of its dataset's
    Kind kind = Kind::chat;
    std::vector<Message> messages;
    std::string tools;  // JSON list of what the model may call, "" for none
    std::string prompt, text;
};

/// The forms, by their keys; of several the first that has all it needs counts (null and empty fields are not there):
///   messages, conversations   [{role, content}] or [{from, value}]: messages.hpp; `tools` beside them
///   instruction, question ... with output, response, answer ...: one turn; input and context on lines of their own
///                             behind the question; history: the turns before
///   prompt, completion        raw text, or two lists of messages of which the second is trained
///   text                      raw text
/// `system` or `system_prompt` may stand beside all but text. Every other field is known to be mere description
/// (fields.cpp), or refused by name. `line` is where the text begins in its file; `columns` renames fields first.
/// errors  QL_BAD_FILE (no path): no JSON, no known form, a wrong type, nothing to train
///         QL_UNSUPPORTED: fields that cannot be used or obeyed; samples marked as bad
Result<Sample> parse_sample(std::string_view json, int64_t line = 1, const Columns & columns = {});

/// What a model is asked with: the same forms, of which the answer may be missing, without it. The last messages of a
/// conversation are then not the assistant's; a raw text is the prompt of an empty completion. `system`: for one that
/// has no system message. Marks of what is to be trained (weights, labels) say nothing here.
/// errors  as parse_sample; QL_BAD_FILE: there is nothing to answer
Result<Sample> parse_prompt(std::string_view json, int64_t line = 1, const Columns & columns = {},
                            const std::string & system = "");
/// The same of a message by itself.
Sample prompt_of(std::string message, int64_t line, const std::string & system = "");

}  // namespace ql
