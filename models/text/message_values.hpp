// Messages as a template sees them: dicts with the keys that it looks for, whose strings know which message and which
// part of it they come from.
#pragma once
#include <span>
#include <string>

#include "models/text/chat_template.hpp"
#include "models/text/jinja/ast.hpp"
#include "models/text/jinja/value.hpp"

namespace ql {

/// How a template takes what is written in several ways.
struct MessageForm {
    /// Beside calls of tools, a content that is null or missing.
    enum class NoContent { missing, empty, none };
    NoContent no_content = NoContent::missing;
    bool reads_reasoning = false;  // under this name, and not under transformers' two
    bool text_arguments = false;   // calls' arguments as JSON text, else as objects
};

/// True if thoughts are to stand under `reasoning`, too. transformers puts them under reasoning_content and thinking.
bool reads_reasoning(const jinja::Block & block);

/// The list of the messages. errors  QL_BAD_FILE: tool_calls are no JSON;  QL_UNSUPPORTED: see from_json.hpp
Result<jinja::Value> message_values(std::span<const Message> messages, const MessageForm & form);

/// A JSON list of tools; none for "".
Result<jinja::Value> tool_values(const std::string & tools);

}  // namespace ql
