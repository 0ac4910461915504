// The forms that samples are written in, recognised by their keys, brought to three: a conversation, a prompt with its
// completion, a text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
    Kind kind = Kind::chat;
    std::vector<Message> messages;
    std::string prompt, text;
};

/// The keys, the first that is there decides:
///   messages                    [{role, content}], content a string or a list of {type: text, text}
///   conversations               ShareGPT: [{from, value}], from: human, gpt, system, tool ...
///   instruction, input, output  Alpaca: the input on a line of its own behind the instruction; `system` may be there
///   too prompt, completion          raw text question, answer            as one turn of a conversation text
/// `line` is where the text begins in its file.
/// errors  QL_BAD_FILE (no path): no JSON, no known keys, a wrong type, nothing to train; QL_UNSUPPORTED:
/// tools,
///         and other keys that would change the sample
Result<Sample> parse_sample(std::string_view json, int64_t line = 1);

}  // namespace ql
