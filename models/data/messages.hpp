// Lists of messages: OpenAI's {role, content}, ShareGPT's {from, value}, and which answers carry loss.
#pragma once
#include <vector>

#include "models/json/parse_json.hpp"
#include "models/text/chat_template.hpp"
#include "ql/status.hpp"

namespace ql {

/// `key` is the list's name, for messages.
/// errors  QL_BAD_FILE, QL_UNSUPPORTED: "messages", message 3: what
Result<std::vector<Message>> read_messages(const Json & list, const char * key);

}  // namespace ql
