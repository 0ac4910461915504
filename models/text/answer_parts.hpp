// The parts of an answer: thoughts, words, calls of tools. Templates and data write them in two ways. Kept apart in the
// message (reasoning_content, tool_calls), the renderer's strings know where their bytes lie, and the template's words
// around them belong to them. Written into the content, they are known by their marks.
#pragma once
#include <vector>

#include "models/text/chat_template.hpp"
#include "models/text/jinja/text.hpp"

namespace ql {

/// An answer [begin, end) cut in up to three: thoughts [begin, reasoning), words [reasoning, calls), calls
/// [calls, end). The end of turn belongs to what stands last; after thoughts alone, to the words.
struct AnswerCuts {
    size_t reasoning, calls;
    bool no_thoughts = false;  // [begin, reasoning) holds the marks of thoughts alone
};
AnswerCuts cut_answer(const jinja::Text & text, Span answer);

/// The bytes of the answers that carry loss, in order; neighbours are one span. Marks without thoughts, which some
/// templates put before each answer that has none, are no thoughts to learn: they carry loss where what follows them does,
/// too.
std::vector<Span> trained_spans(const jinja::Text & text, const std::vector<Span> & answers,
                                const TrainedParts & parts);

}  // namespace ql
