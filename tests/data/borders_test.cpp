// The border between what a model is asked and what it answers: the prompt's tokens are those that inference feeds, and
// the trained tokens those that generation must then write, for every template and every form of sample.
#include <gtest/gtest.h>

#include "models/data/render.hpp"
#include "text/vocabularies.hpp"

namespace ql {
namespace {

/// Vocabularies whose merges would join a prompt's last byte with an answer's first one ("a" and "b", " " and "a"), and
/// that differ in what stands at the beginning of a text and after a special token.
struct NamedVocab {
    std::string name;
    Vocab vocab;
};

std::vector<NamedVocab> vocabularies() {
    Vocab with_bos = test::byte_level_vocab(), spaces = test::sentence_piece_vocab();
    with_bos.add_bos = with_bos.add_eos = true;
    for (const char * text : {"<|im_end|>", "<|assistant|>", "<|end|>", "<|eot_id|>", "<end_of_turn>"}) {
        spaces.tokens.push_back(text);
        spaces.types.push_back(TokenType::kControl);
        spaces.scores.push_back(0);
    }
    Vocab no_spaces = spaces, swallowing = spaces;
    no_spaces.add_space_prefix = no_spaces.add_bos = false;
    for (size_t i = 265; i < swallowing.tokens.size(); ++i) swallowing.strip_right.push_back(static_cast<int32_t>(i));
    return {{"byte-level", test::byte_level_vocab()},
            {"byte-level, BOS and EOS", with_bos},
            {"SentencePiece", spaces},
            {"SentencePiece without added spaces", no_spaces},
            {"SentencePiece, specials that swallow spaces", swallowing}};
}

std::vector<std::pair<std::string, std::string>> chat_templates() {
    std::vector<std::pair<std::string, std::string>> all;
    for (const NamedTemplate & named : named_templates()) all.emplace_back(named.name, named.source);
    all.emplace_back("a space at the prompt's end",
                     "{% for m in messages %}{{ m.role }}: {{ m.content }}</s>\n{% endfor %}{% if "
                     "add_generation_prompt %}assistant: {% endif %}");
    all.emplace_back("a special token at the prompt's end",
                     "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if "
                     "add_generation_prompt %}<|assistant|>{% endif %}");
    all.emplace_back("generation blocks",
                     "{% for m in messages %}{% if m.role == 'assistant' %}A {% generation %}{{ m.content }}</s>{% "
                     "endgeneration %}{% else %}Q {{ m.content }}</s>{% endif %}{% endfor %}{% if "
                     "add_generation_prompt %}A {% endif %}");
    return all;
}

constexpr const char * kForms[] = {
    R"({"messages": [{"role": "user", "content": "a "}, {"role": "assistant", "content": "abc a"}]})",
    R"({"messages": [{"role": "system", "content": "b"}, {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "b a"}, {"role": "user", "content": " a"},
        {"role": "assistant", "content": " ab  c"}]})",
    R"({"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "\n ö"},
        {"role": "user", "content": "c"}]})",
    R"({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "bc"}]})",
    R"({"instruction": "a", "input": " a", "output": "b a", "system": "c"})",
    R"({"question": "x ", "answer": "ab"})",
};

class Borders {
  public:
    Borders(const Tokenizer & tokenizer, const ChatTemplate * chat)
        : tokenizer_(tokenizer), renderer_(tokenizer, chat) {}

    void expect_chat(const ChatTemplate & chat, const Sample & sample) {
        const auto rendered = renderer_.render(sample);
        ASSERT_TRUE(rendered.ok()) << rendered.message();
        const TokenSample trained = renderer_.tokenize(*rendered, 1);
        std::string seen;  // text that is in the cache of the conversation
        size_t at = 0, answer = 0;
        for (size_t i = 0; i < sample.messages.size(); ++i) {
            if (sample.messages[i].role != "assistant") continue;
            const std::string prompt = *chat.render(std::span(sample.messages).first(i), true);
            ASSERT_TRUE(prompt.starts_with(seen));
            at = expect_prompt(trained, at, seen.empty() ? asked(prompt) : continued(prompt.substr(seen.size())));
            const Span span = rendered->trained.at(answer++);
            at = expect_answer(trained, at, rendered->text.substr(span.begin, span.end - span.begin));
            seen = prompt + without_end(rendered->text.substr(span.begin, span.end - span.begin));
        }
        EXPECT_EQ(answer, rendered->trained.size());
        for (; at < trained.tokens.size(); ++at) EXPECT_FALSE(trained.trained[at]);
    }

    void expect_completion(const std::string & prompt, const std::string & completion) {
        Sample sample;
        sample.kind = Sample::Kind::completion;
        sample.prompt = prompt, sample.text = completion;
        const TokenSample trained = renderer_.tokenize(*renderer_.render(sample), 1);
        const size_t at = expect_prompt(trained, 0, asked(prompt));
        EXPECT_EQ(expect_answer(trained, at, completion + "</s>"), trained.tokens.size());
    }

  private:
    /// As programs tokenise a prompt: BOS before it, never an EOS after it.
    std::vector<int32_t> asked(const std::string & text) const {
        std::vector<int32_t> tokens = tokenizer_.encode(text, false, true);
        if (tokenizer_.add_bos() && (tokens.empty() || tokens[0] != tokenizer_.bos()))
            tokens.insert(tokens.begin(), tokenizer_.bos());
        return tokens;
    }

    /// As ql-chat feeds what follows an answer; the end token that the model wrote is in the cache already.
    std::vector<int32_t> continued(const std::string & text) const {
        std::vector<int32_t> tokens = tokenizer_.encode(text, false, true);
        if (!tokens.empty() && tokenizer_.is_end_of_generation(tokens[0])) tokens.erase(tokens.begin());
        return tokens;
    }

    std::string without_end(std::string answer) const {
        for (const std::string & end : end_token_texts(tokenizer_))
            if (answer.ends_with(end)) return answer.substr(0, answer.size() - end.size());
        return answer;
    }

    static size_t expect_prompt(const TokenSample & sample, size_t at, const std::vector<int32_t> & prompt) {
        for (const int32_t token : prompt) {
            if (at >= sample.tokens.size()) ADD_FAILURE() << "the sample ends in the prompt";
            if (at >= sample.tokens.size()) return at;
            EXPECT_EQ(sample.tokens[at], token) << "token " << at;
            EXPECT_FALSE(sample.trained[at]) << "token " << at;
            ++at;
        }
        return at;
    }

    /// The trained tokens that follow read as the answer, byte for byte, and end with an end token.
    size_t expect_answer(const TokenSample & sample, size_t at, const std::string & answer) {
        std::string text;
        for (; at < sample.tokens.size() && sample.trained[at]; ++at) text += tokenizer_.piece(sample.tokens[at]);
        EXPECT_EQ(text, answer);
        EXPECT_TRUE(at > 0 && tokenizer_.is_end_of_generation(sample.tokens[at - 1])) << text;
        return at;
    }

    const Tokenizer & tokenizer_;
    SampleRenderer renderer_;
};

/// The template with "</s>" for the texts that templates write as ends, of which the vocabularies hold only some.
std::string with_known_ends(std::string source) {
    for (const char * end : {"<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>"})
        for (size_t at = source.find(end); at != source.npos; at = source.find(end, at + 1))
            source.replace(at, std::string_view(end).size(), "</s>");
    return source;
}

TEST(Borders, TrainedTokensAreThoseOfInferenceForEveryTemplateAndForm) {
    for (NamedVocab & row : vocabularies()) {
        const bool all_ends = row.vocab.kind == TokenizerKind::kSentencePiece;
        const Tokenizer tokenizer = test::make(std::move(row.vocab));
        for (const auto & [name, source] : chat_templates()) {
            const auto chat =
                ChatTemplate::parse(all_ends ? source : with_known_ends(source), template_tokens(tokenizer));
            ASSERT_TRUE(chat.ok()) << chat.message();
            for (const char * form : kForms) {
                SCOPED_TRACE(row.name + ", " + name + ": " + form);
                const auto sample = parse_sample(form);
                ASSERT_TRUE(sample.ok()) << sample.message();
                Borders(tokenizer, &*chat).expect_chat(*chat, *sample);
            }
        }
    }
}

TEST(Borders, EveryByteOfACompletionIsTrained) {
    for (NamedVocab & row : vocabularies()) {
        SCOPED_TRACE(row.name);
        const Tokenizer tokenizer = test::make(std::move(row.vocab));
        Borders borders(tokenizer, nullptr);
        for (const char * prompt : {"Sentiment: ", "Sentiment:", "a", "ab", "x\n", "x<s>", "  ", "ö "})
            for (const char * completion : {"a", "abc", " a", "b", "  b", "\n", "ö", "a</s>b"})
                borders.expect_completion(prompt, completion);
    }
}

TEST(Borders, WhatFollowsAnAnswerWithoutAnEndTokenGetsNoSpace) {
    const Tokenizer tokenizer = test::make(test::sentence_piece_vocab());
    const Rendered rendered{"ab ab ab", {{2, 5}}, {{2, 5}}};
    EXPECT_EQ(marked_text(SampleRenderer(tokenizer, nullptr).tokenize(rendered, 1), tokenizer, "[", "]"),
              "<s> ab[ ab] ab");
}

TEST(Borders, NeighbouringAnswersAreTokenisedApart) {
    const Tokenizer tokenizer = test::make(test::byte_level_vocab());
    const TokenSample sample = SampleRenderer(tokenizer, nullptr).tokenize({"xabcab", {{1, 2}, {2, 4}}, {{1, 4}}}, 1);
    EXPECT_EQ(sample.tokens, (std::vector<int32_t>{'x', 'a', 'b', 'c', 256}));
    EXPECT_EQ(sample.trained, (std::vector<uint8_t>{0, 1, 1, 1, 0}));
}

}  // namespace
}  // namespace ql
