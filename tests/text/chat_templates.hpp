// What the chat template tests share: conversations, and rendered texts with what is trained marked in them.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "models/text/chat_template.hpp"

namespace ql::test {

inline const std::vector<Message> kOneTurn = {{"user", "Hi"}, {"assistant", "Hello!"}};
inline const std::vector<Message> kTwoTurns = {{"system", "Be brief."},
                                               {"user", "Hi"},
                                               {"assistant", "Hello!"},
                                               {"user", "Hello!"},
                                               {"assistant", " Bye,\nyou ö "}};

inline ChatTemplate make(const std::string & source, TemplateTokens tokens = {"<s>", "</s>"}) {
    auto made = ChatTemplate::parse(source, std::move(tokens));
    EXPECT_TRUE(made.ok()) << made.message();
    return std::move(made).value();
}

inline ChatTemplate named(const std::string & name, TemplateTokens tokens = {"<s>", "</s>"}) {
    const auto source = chat_template_source(name);
    EXPECT_TRUE(source.ok()) << source.message();
    return make(*source, std::move(tokens));
}

/// The rendered text with the trained parts in «».
inline std::string marked(const ChatTemplate & chat, const std::vector<Message> & messages,
                          const std::vector<std::string> & ends, bool * open = nullptr) {
    const auto rendered = chat.render_for_training(messages, ends);
    if (!rendered.ok()) return "error: " + rendered.message();
    if (open) *open = rendered->open_end;
    std::string out;
    size_t at = 0;
    for (const Span span : rendered->trained) {
        out += rendered->text.substr(at, span.begin - at) + "«" +
               rendered->text.substr(span.begin, span.end - span.begin) + "»";
        at = span.end;
    }
    return out + rendered->text.substr(at);
}

}  // namespace ql::test
