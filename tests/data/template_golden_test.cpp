// Chat templates of well-known models, as transformers renders them (tests/golden/make_templates.py): the whole text,
// what stands before the last answer, and which bytes are the assistant's.
#include <gtest/gtest.h>

#include <filesystem>

#include "data/template_goldens.hpp"

namespace ql::test {
namespace {

/// The name of a call whose message lacks the key of the content; "" if there is none.
std::string call_without_content(std::span<const Message> messages) {
    for (const Message & m : messages)
        if (!m.has_content) return Json::parse(m.tool_calls)[0]["function"]["name"].get<std::string>();
    return "";
}

/// What transformers refuses as a call lacks the key is written here, if the template can write the call at all.
void expect_text(const Json & expected, const Result<std::string> & got, std::span<const Message> messages,
                 const std::string & where) {
    const std::string call = call_without_content(messages);
    if (expected.is_null() && !call.empty() && got.ok()) {
        EXPECT_NE(got->find(call), std::string::npos) << where << "\n" << *got;
        EXPECT_EQ(got->find("None"), std::string::npos) << where << "\n" << *got;
        return;
    }
    if (expected.is_null()) {
        EXPECT_FALSE(got.ok()) << where << ": transformers refuses it; rendered: " << *got;
        return;
    }
    ASSERT_TRUE(got.ok()) << where << ": " << got.message();
    EXPECT_EQ(*got, expected.get<std::string>()) << where;
}

/// How many answers were compared.
int expect_answers(const Json & expected, const Result<Rendered> & got, const std::string & where) {
    if (!got.ok()) {
        EXPECT_NE(got.message().find("it writes no "), std::string::npos) << where << ": " << got.message();
        return 0;
    }
    std::vector<Span> spans;
    for (const Json & span : expected) spans.push_back({span[0].get<size_t>(), span[1].get<size_t>()});
    EXPECT_EQ(got->answers.size(), spans.size()) << where;
    for (size_t i = 0; i < std::min(spans.size(), got->answers.size()); ++i) {
        EXPECT_EQ(got->answers[i].begin, spans[i].begin) << where << ", answer " << i;
        EXPECT_EQ(got->answers[i].end, spans[i].end) << where << ", answer " << i;
    }
    EXPECT_EQ(got->trained, got->answers) << where;
    return static_cast<int>(spans.size());
}

struct Counts {
    int templates = 0, texts = 0, refused = 0, answers = 0;
};

void compare(const std::string & name, const std::vector<Conversation> & all, Counts & counts) {
    const Json golden = read_golden(name);
    const auto chat = open_template(golden);
    ASSERT_TRUE(chat.ok()) << name << ": " << chat.message();
    const auto ends = golden["ends"].get<std::vector<std::string>>();
    ASSERT_EQ(golden["cases"].size(), all.size()) << name;
    for (size_t i = 0; i < all.size(); ++i) {
        const Json & test = golden["cases"][i];
        const auto & [messages, tools] = all[i];
        const std::string where = name + ", conversation " + std::to_string(i);
        expect_text(test["text"], chat->render(messages, false, tools), messages, where);
        const std::span<const Message> asked = std::span(messages).first(all[i].last_answer());
        expect_text(test["prompt"], chat->render(asked, true, tools), asked, where + ", prompt");
        ++(test["text"].is_null() ? counts.refused : counts.texts);
        if (!test["answers"].is_null())
            counts.answers +=
                expect_answers(test["answers"], chat->render_for_training(messages, ends, {}, tools), where);
    }
    ++counts.templates;
}

TEST(TemplateGoldens, RenderAsInTransformersAndKnowTheAnswers) {
    const std::vector<Conversation> all = golden_conversations();
    ASSERT_EQ(all.size(), 30u);
    std::vector<std::string> names;
    for (const auto & entry : std::filesystem::directory_iterator(template_goldens()))
        if (entry.path().extension() == ".json" && entry.path().filename() != "conversations.json")
            names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    Counts counts;
    for (const std::string & name : names) compare(name, all, counts);
    EXPECT_GE(counts.templates, 17);
    EXPECT_GE(counts.texts, 480);
    EXPECT_GE(counts.answers, 350);
    RecordProperty("texts", counts.texts);
    RecordProperty("refused", counts.refused);
    RecordProperty("answers", counts.answers);
}

}  // namespace
}  // namespace ql::test
