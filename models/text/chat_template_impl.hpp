// The inside of a ChatTemplate, for the files that look into one.
#pragma once
#include <functional>
#include <span>
#include <string>

#include "models/text/chat_template.hpp"
#include "models/text/jinja/ast.hpp"
#include "models/text/jinja/watch.hpp"
#include "models/text/message_values.hpp"

namespace ql {

struct ChatTemplate::Impl {
    std::string source, date;
    TemplateTokens tokens;
    jinja::Block block;
    MessageForm form;
    std::string kwargs = {};
    jinja::Dict own_variables = {};  // those of kwargs

    /// What a rendering needs besides the messages.
    struct Setting {
        std::string date;
        std::function<void(jinja::Dict &)> change = {};  // of the variables
        jinja::Watch * watch = nullptr;
        jinja::Value tools = jinja::Value(jinja::None{});
    };
    Result<jinja::Text> run(std::span<const Message> messages, bool add_generation_prompt,
                            const Setting & setting) const;
    Result<jinja::Text> run(std::span<const Message> messages, bool add_generation_prompt) const {
        return run(messages, add_generation_prompt, {date});
    }
};

}  // namespace ql
