// How answers are found in long conversations: with few renderings of prompts, however many answers there are.
#include "models/text/answer_finder.hpp"

#include <gtest/gtest.h>

#include "text/chat_templates.hpp"

namespace ql::test {
namespace {

const std::vector<std::string> kEnds = {"<end>", "<never>"};

std::vector<Message> conversation(size_t n_turns) {
    std::vector<Message> messages;
    for (size_t i = 0; i < n_turns; ++i) {
        messages.push_back({"user", "q" + std::to_string(i)});
        messages.push_back({"assistant", "a" + std::to_string(i)});
    }
    return messages;
}

/// "[user]q0<end>[assistant]: a0<end>"; a prompt ends with "[assistant]:". With `note`, some words stand only after the
/// last user's message, so that no earlier prompt is a prefix of the whole.
jinja::Text rendered(std::span<const Message> messages, bool prompt, bool note = false) {
    size_t last_user = 0;
    for (size_t i = 0; i < messages.size(); ++i)
        if (messages[i].role == "user") last_user = i;
    jinja::Text text;
    for (size_t i = 0; i < messages.size(); ++i) {
        text.append(messages[i].role == "user" ? "[user]" : "[assistant]: ");
        text.append(jinja::Text::from_message(messages[i].content, static_cast<int32_t>(i)));
        text.append(note && i == last_user ? "(last)<end>" : "<end>");
    }
    if (prompt) text.append("[assistant]:");
    return text;
}

TEST(AnswerFinder, RendersFewPromptsHoweverLongTheConversation) {
    for (const bool note : {false, true})
        for (const size_t n : {50, 100, 200}) {
            const std::vector<Message> messages = conversation(n);
            const jinja::Text text = rendered(messages, false, note);
            int n_rendered = 0;
            const AnswerFinder finder(text, messages, kEnds,
                                      [&](std::span<const Message> some, bool prompt) -> Result<jinja::Text> {
                                          ++n_rendered;
                                          return rendered(some, prompt, note);
                                      });
            EXPECT_LE(n_rendered, 3) << n;
            for (size_t i = 1; i < messages.size(); i += 2) {
                bool open = true;
                const auto span = finder.find(i, &open);
                ASSERT_TRUE(span.ok()) << span.message();
                EXPECT_FALSE(open);
                const bool has_space = !note || i + 1 == messages.size();  // the prompt ends before the space
                EXPECT_EQ(text.bytes().substr(span->begin, span->end - span->begin),
                          (has_space ? " a" : "a") + std::to_string(i / 2) + "<end>");
            }
        }
}

/// Only the last answer is written with its thoughts, as in templates of models that think.
jinja::Text without_thoughts(std::span<const Message> messages, bool prompt) {
    jinja::Text text;
    for (size_t i = 0; i < messages.size(); ++i) {
        text.append(messages[i].role == "user" ? "[user]" : "[assistant]");
        const std::string & content = messages[i].content;
        const size_t thoughts = i + 1 < messages.size() ? content.find("</think>") : content.npos;
        const size_t begin = thoughts == content.npos ? 0 : thoughts + 8;
        text.append(jinja::Text::from_message(content, static_cast<int32_t>(i)), begin, content.size());
        text.append("<end>");
    }
    if (prompt) text.append("[assistant]");
    return text;
}

TEST(AnswerFinder, RendersNoMoreThanAFewTimesTheConversationWhateverItsAnswersAre) {
    for (const char * answer : {"Yes.", "", "<think>Hm.</think>Yes."}) {
        std::vector<Message> messages;
        for (size_t i = 0; i < 300; ++i) {
            messages.push_back({"user", "q" + std::to_string(i)});
            messages.push_back({"assistant", answer});
        }
        const jinja::Text text = without_thoughts(messages, false);
        size_t n_rendered = 0;
        AnswerFinder finder(text, messages, kEnds,
                            [&](std::span<const Message> some, bool prompt) -> Result<jinja::Text> {
                                n_rendered += some.size();
                                return without_thoughts(some, prompt);
                            });
        const bool thinks = std::string(answer).starts_with("<think>");
        for (size_t i = 1; i < messages.size(); i += 2) {
            EXPECT_EQ(finder.is_shortened(i), thinks && i + 1 < messages.size()) << i;
            bool open = true;
            const auto span = finder.find(i, &open);
            ASSERT_TRUE(span.ok()) << span.message();
            EXPECT_TRUE(text.view().substr(span->begin, span->end - span->begin).ends_with("<end>")) << i;
            EXPECT_TRUE(text.view().substr(0, span->begin).ends_with("[assistant]")) << i;
        }
        EXPECT_LE(n_rendered, 4 * messages.size()) << answer;
        const size_t once = n_rendered;
        for (size_t i = 1; i < messages.size(); i += 2) (void)finder.is_shortened(i);
        EXPECT_EQ(n_rendered, once) << answer;
    }
}

TEST(AnswerFinder, EndTokenIsTheFirstAndOfThoseTheLongest) {
    const std::vector<std::string> ends = {"<e>", "<e>\n", "", "<x>"};
    EXPECT_EQ(*find_end_token("a<e>\n<x>", 0, 8, ends), (Span{1, 5}));
    EXPECT_EQ(*find_end_token("a<e>\n<x>", 0, 4, ends), (Span{1, 4}));
    EXPECT_EQ(*find_end_token("a<e>\n<x>", 2, 8, ends), (Span{5, 8}));
    EXPECT_FALSE(find_end_token("a<e>\n<x>", 2, 7, ends));
}

}  // namespace
}  // namespace ql::test
