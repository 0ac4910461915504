#include "models/data/choices.hpp"

#include <algorithm>

#include "models/data/fields.hpp"
#include "models/data/source.hpp"
#include "models/json/blanks.hpp"
#include "models/json/records.hpp"

namespace ql {

namespace {

constexpr size_t kMaxChoices = 1000;

Result<std::vector<std::string>> read_texts(const Json & list) {
    if (!list.is_array()) return error(QL_BAD_FILE, "\"choices\" is %s, not a list", list.type_name());
    if (list.size() < 2 || list.size() > kMaxChoices)
        return error(QL_BAD_FILE, "\"choices\" has %zu, 2 to %zu are possible", list.size(), kMaxChoices);
    std::vector<std::string> texts;
    for (const Json & item : list) {
        if (!item.is_string() || is_blank(item.get_ref<const std::string &>()))
            return error(QL_BAD_FILE, "\"choices\", item %zu: %s", texts.size() + 1,
                         item.is_string() ? "it is empty" : "it is no string");
        texts.push_back(item.get<std::string>());
        if (std::find(texts.begin(), texts.end() - 1, texts.back()) != texts.end() - 1)
            return error(QL_BAD_FILE, "\"choices\", item %zu: it is there twice", texts.size());
    }
    return texts;
}

Result<size_t> read_answer(const Json & answer, const std::vector<std::string> & choices) {
    if (answer.is_string()) {
        const auto found = std::find(choices.begin(), choices.end(), answer.get_ref<const std::string &>());
        if (found == choices.end()) return error(QL_BAD_FILE, "\"answer\" is the text of none of the choices");
        return static_cast<size_t>(found - choices.begin());
    }
    if (!answer.is_number_integer())
        return error(QL_BAD_FILE, "\"answer\" is %s: a choice's number, from 0, or its text are possible",
                     answer.type_name());
    if (!answer.is_number_unsigned() || answer.get<uint64_t>() >= choices.size())
        return error(QL_BAD_FILE, "\"answer\" is %s; 0 to %zu are possible", answer.dump().c_str(), choices.size() - 1);
    return answer.get<size_t>();
}

Result<ChoiceQuestion> read_question(const Record & record) {
    QL_ASSIGN(const Json json, parse_json(record.json, record.line));
    if (!json.is_object()) return error(QL_BAD_FILE, "%s, not an object", json.type_name());
    Fields fields(json);
    ChoiceQuestion question;
    question.line = record.line;
    QL_ASSIGN(question.question, fields.take_text("question"));
    const Json *choices = fields.take("choices"), *answer = fields.take("answer");
    if (!choices) return error(QL_BAD_FILE, "\"choices\" is missing or empty");
    if (!answer) return error(QL_BAD_FILE, "\"answer\" is missing or empty");
    QL_ASSIGN(question.choices, read_texts(*choices));
    QL_ASSIGN(question.answer, read_answer(*answer, question.choices));
    QL_TRY(fields.check_refused());
    QL_TRY(fields.check_rest({question.question}));
    return question;
}

}  // namespace

Result<std::vector<ChoiceQuestion>> read_choices(const std::string & path) {
    QL_ASSIGN(const std::string text, read_data_file(path));
    const auto records = split_records(text);
    if (!records.ok()) return error(records.code(), "%s:%s", path.c_str(), records.message().c_str());
    std::vector<ChoiceQuestion> questions;
    for (const Record & record : *records) {
        auto question = read_question(record);
        if (!question.ok())
            return error(question.code(), "%s:%lld: %s", path.c_str(), static_cast<long long>(record.line),
                         question.message().c_str());
        questions.push_back(std::move(question).value());
    }
    if (questions.empty()) return error(QL_BAD_FILE, "%s: it holds no question", path.c_str());
    return questions;
}

}  // namespace ql
