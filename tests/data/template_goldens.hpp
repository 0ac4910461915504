// The goldens of chat templates (tests/golden/make_templates.py), and the 30 conversations that they render.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "models/data/messages.hpp"
#include "models/json/parse_json.hpp"
#include "models/text/chat_template.hpp"

namespace ql::test {

inline constexpr const char kDay[] = "2024-07-26";  // of the goldens

/// $QL_TEMPLATE_GOLDENS names another folder that the script has written.
inline std::string template_goldens() {
    const char * other = std::getenv("QL_TEMPLATE_GOLDENS");
    return other ? other : std::string(QL_SOURCE_DIR) + "/tests/golden/templates";
}

inline Json read_golden(const std::string & name) {
    auto wrapped = read_json_object(template_goldens() + "/" + name);
    EXPECT_TRUE(wrapped.ok()) << wrapped.message();
    return wrapped.ok() ? std::move(wrapped).value() : Json();
}

struct Conversation {
    std::vector<Message> messages;
    std::string tools;
    size_t last_answer() const {
        size_t last = messages.size();
        while (messages[last - 1].role != "assistant") --last;
        return last - 1;
    }
};

inline std::vector<Conversation> golden_conversations() {
    std::vector<Conversation> all;
    const Json file = read_golden("conversations.json");
    for (const Json & json : file["conversations"]) {
        Conversation c;
        auto messages = read_messages(json["messages"], "messages");
        EXPECT_TRUE(messages.ok()) << messages.message();
        c.messages = std::move(messages).value();
        if (json.contains("tools")) {
            auto tools = read_tools(json["tools"], "tools");
            EXPECT_TRUE(tools.ok()) << tools.message();
            c.tools = std::move(tools).value();
        }
        all.push_back(std::move(c));
    }
    return all;
}

/// The template of a golden file.
inline Result<ChatTemplate> open_template(const Json & golden) {
    return ChatTemplate::parse(golden["template"].get<std::string>(),
                               {golden["bos"].get<std::string>(), golden["eos"].get<std::string>()}, kDay);
}

}  // namespace ql::test
