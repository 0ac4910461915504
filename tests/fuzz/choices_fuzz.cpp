// Questions with several choices: what is read has a right one among them.
#include "fuzz/fuzz.hpp"
#include "models/data/choices.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using ql::fuzz::require;
    const auto questions = ql::read_choices(ql::fuzz::write("choices.jsonl", data, size));
    if (!questions.ok()) {
        require(questions.code() != QL_INTERNAL && !questions.message().empty(), "a failure without words");
        return 0;
    }
    require(!questions->empty(), "no question");
    for (const ql::ChoiceQuestion & question : *questions)
        require(question.choices.size() >= 2 && question.answer < question.choices.size(),
                "an answer that is no choice");
    return 0;
}
