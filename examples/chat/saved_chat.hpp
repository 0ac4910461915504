// A chat in a file: the sample that ql-finetune reads, {"messages": [{"role", "content"}, ...]}.
#pragma once
#include <string>

#include "examples/chat/conversation.hpp"

namespace ql::cli {

/// A line of JSON. An answer that was broken off has a weight of 0, so that nobody learns to end there.
std::string saved_chat(const Conversation::Messages & messages);

struct LoadedChat {
    Conversation::Messages messages;
    std::string note;  // of lines before it that are no samples, and are counted as some; "" where there are none
};

/// "FILE", or "FILE N": the Nth sample of a file with several.
/// errors  what keeps it from being a chat: what it lacks, turns that do not take turns, and fields which a chat would lose
Result<LoadedChat> load_chat(const std::string & file_and_number);

}  // namespace ql::cli
