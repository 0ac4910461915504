// Lists of messages: OpenAI's {role, content}, ShareGPT's {from, value}, and which answers carry loss.
#pragma once
#include <vector>

#include "models/json/parse_json.hpp"
#include "models/text/chat_template.hpp"
#include "ql/status.hpp"

namespace ql {

/// Calls of tools, and lists of tools: {name, ...} each, alone or under "function"; a list, or JSON text that holds one,
/// as tables of datasets store it. The list as JSON text, "" for an empty one.
/// errors  QL_BAD_FILE: another type, no name; arguments of a call that are no object, nor the text of one
Result<std::string> read_tools(const Json & list, const char * key);
Result<std::string> read_tool_calls(const Json & list, const char * key);

/// `key` is the list's name, for messages.
/// errors  QL_BAD_FILE, QL_UNSUPPORTED: "messages", message 3: what
Result<std::vector<Message>> read_messages(const Json & list, const char * key);

}  // namespace ql
