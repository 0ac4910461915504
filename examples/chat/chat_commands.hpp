// The commands of a chat besides /lora: what was said so far, and how it goes on.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "examples/chat/conversation.hpp"

namespace ql::cli {

class ChatCommands {
  public:
    ChatCommands(Conversation & conversation, double & temperature)
        : conversation_(conversation), temperature_(temperature) {}

    struct Reply {
        std::string text;                // for a person, without a newline; "" says nothing
        bool done = true;                // false: `text` says why not, and nothing has changed
        std::optional<std::string> ask;  // a message that is to be answered now
    };
    /// Whether a line is one of these commands, or begins with '/' and a letter and so is meant as one.
    static bool is_in(const std::string & line);
    /// The first word in lower case.
    static std::string name_in(const std::string & line);
    Reply run(const std::string & line);
    /// A line for each command.
    static std::string help();

  private:
    Reply reset();
    Reply system(const std::string & text);
    Reply retry();
    Reply undo();
    Reply save(const std::string & path);
    Reply load(const std::string & path);
    Reply temperature(const std::string & text);

    Conversation & conversation_;
    double & temperature_;
    std::vector<std::string> saved_;  // files that hold this conversation as it was, and may be written again
};

}  // namespace ql::cli
