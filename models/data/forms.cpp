#include "models/data/forms.hpp"

#include "common/nearest.hpp"
#include "models/data/fields.hpp"
#include "models/data/form_fields.hpp"
#include "models/data/messages.hpp"
#include "models/json/blanks.hpp"
#include "models/json/records.hpp"

namespace ql {

namespace {

bool is_blank_text(const Json & value) {
    return value.is_string() && is_blank(value.get_ref<const std::string &>());
}

/// The system message that stands beside a conversation, a question or a prompt.
Result<std::string> take_system(Fields & fields) {
    QL_ASSIGN(std::string system, fields.take_optional_text(kSystemField));
    QL_ASSIGN(std::string other, fields.take_optional_text(kOtherSystemField));
    if (is_blank(system))
        system = std::move(other);
    else if (!is_blank(other) && other != system)
        return error(QL_BAD_FILE, "\"system\" and \"system_prompt\" differ");
    return is_blank(system) ? std::string() : system;
}

Status put_system(std::string system, std::vector<Message> & messages) {
    if (system.empty()) return {};
    if (messages.empty() || messages[0].role != "system")
        messages.insert(messages.begin(), {"system", std::move(system)});
    else if (messages[0].content != system)
        return error(QL_BAD_FILE, "\"system\" differs from the system message of the conversation");
    return {};
}

Status take_tools(Fields & fields, Sample & sample) {
    const Json * tools = fields.take(kToolsField);
    if (!tools || is_blank_text(*tools)) return {};
    QL_ASSIGN(sample.tools, read_tools(*tools, kToolsField));
    return {};
}

Result<Sample> conversation(Fields & fields, const char * key) {
    Sample sample;
    QL_ASSIGN(sample.messages, read_messages(*fields.take(key), key));
    QL_ASSIGN(std::string system, take_system(fields));
    QL_TRY(put_system(std::move(system), sample.messages));
    QL_TRY(take_tools(fields, sample));
    return sample;
}

/// Alpaca's history: [[question, answer], ...], the turns before this one.
Status take_history(Fields & fields, std::vector<Message> & messages) {
    const Json * history = fields.take(kHistoryField);
    if (!history || *history == "[]") return {};
    for (const Json & turn : history->is_array() ? *history : Json::array({nullptr})) {
        if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string())
            return error(QL_BAD_FILE, "\"history\" is no list of pairs [question, answer]");
        messages.push_back({"user", turn[0].get<std::string>()});
        messages.push_back({"assistant", turn[1].get<std::string>()});
    }
    return {};
}

/// A question and its answer, if there is one, as one turn of a conversation. What belongs to the question follows it on
/// lines of its own.
Result<Sample> turn(Fields & fields, const char * question_key, const char * answer_key) {
    Sample sample;
    QL_ASSIGN(std::string system, take_system(fields));
    if (!system.empty()) sample.messages.push_back({"system", std::move(system)});
    QL_TRY(take_history(fields, sample.messages));
    QL_ASSIGN(std::string question, fields.take_text(question_key));
    for (const char * key : kMoreOfQuestionFields) {
        if (question_key == std::string_view(key)) continue;
        QL_ASSIGN(const std::string more, fields.take_optional_text(key));
        if (!is_blank(more)) question += "\n" + more;
    }
    sample.messages.push_back({"user", std::move(question)});
    if (!answer_key) return sample;
    QL_ASSIGN(std::string answer, fields.take_text(answer_key));
    sample.messages.push_back({"assistant", std::move(answer)});
    return sample;
}

/// Prompt and completion as lists of messages: the completion's are trained.
Result<Sample> conversation_in_two(Fields & fields) {
    Sample sample;
    QL_ASSIGN(sample.messages, read_messages(*fields.take(kPromptField), kPromptField));
    for (Message & message : sample.messages) message.trained = false;
    if (const Json * answers = fields.take(kCompletionField)) {
        QL_ASSIGN(std::vector<Message> completion, read_messages(*answers, kCompletionField));
        for (Message & message : completion) sample.messages.push_back(std::move(message));
    }
    QL_ASSIGN(std::string system, take_system(fields));
    QL_TRY(put_system(std::move(system), sample.messages));
    QL_TRY(take_tools(fields, sample));
    return sample;
}

Result<Sample> completion(Fields & fields) {
    const Json *prompt = fields.take(kPromptField), *text = fields.take(kCompletionField);
    if (prompt && prompt->is_array() && (!text || text->is_array())) return conversation_in_two(fields);
    Sample sample;
    sample.kind = Sample::Kind::completion;
    QL_ASSIGN(const std::string system, take_system(fields));
    QL_ASSIGN(sample.prompt, fields.take_optional_text(kPromptField));
    if (!system.empty()) sample.prompt = system + "\n" + sample.prompt;
    if (!text) return sample;
    QL_ASSIGN(sample.text, fields.take_text(kCompletionField));
    return sample;
}

Result<Sample> plain_text(Fields & fields) {
    Sample sample;
    sample.kind = Sample::Kind::text;
    QL_ASSIGN(sample.text, fields.take_text(kTextField));
    return sample;
}

/// Keys in quotes, as names may hold commas, each with the one of `meant` that it may be misspelt.
std::string quoted_keys(const Json & object, const FieldNames & meant, const FieldNames & without) {
    const std::vector<std::string> names(meant.begin(), meant.end());
    const FieldNames known = form_fields();
    std::string keys;
    for (const auto & item : object.items()) {
        const std::string & key = item.key();
        if (is_one_of(without, key)) continue;
        const std::string nearest = is_one_of(known, key) ? "" : nearest_name(lower_case(key), names);
        keys += (keys.empty() ? "\"" : ", \"") + key.substr(0, 40) + "\"" + (is_absent(item.value()) ? " (empty)" : "");
        if (!nearest.empty()) keys += " (did you mean \"" + nearest + "\"?)";
        if (keys.size() > 200) break;
    }
    return keys;
}

/// Behind what is missing: what is there that no form reads.
std::string other_keys(const Json & object, const FieldNames & meant) {
    const std::string keys = quoted_keys(object, meant, form_fields());
    return keys.empty() ? "" : "; there is " + keys;
}

/// No form has all that it needs: what is missing, and the keys that are there.
Status incomplete(const Json & object, const Fields & fields) {
    if (const char * question = fields.first_of(kQuestionFields))
        return error(QL_BAD_FILE, "an answer to \"%s\" is missing or empty: %s%s", question,
                     list_of_names(kAnswerFields).c_str(), other_keys(object, kAnswerFields).c_str());
    if (const char * answer = fields.first_of(kAnswerFields))
        return error(QL_BAD_FILE, "a question to \"%s\" is missing or empty: %s%s", answer,
                     list_of_names(kQuestionFields).c_str(), other_keys(object, kQuestionFields).c_str());
    if (fields.has(kPromptField))
        return error(QL_BAD_FILE, "\"completion\" is missing or empty: there is nothing to train%s",
                     other_keys(object, {kCompletionField}).c_str());
    const std::string keys = quoted_keys(object, form_fields(), {});
    return error(QL_BAD_FILE,
                 "keys of no known form (%s); known are messages, conversations, instruction/output, "
                 "prompt/completion, question/answer, text%s",
                 keys.empty() ? "none" : keys.c_str(),
                 keys.empty() ? "" : "; --columns question=NAME,answer=NAME says which keys are which");
}

Result<Sample> recognise(const Json & object, Fields & fields) {
    if (const char * key = fields.first_of(kConversationFields)) return conversation(fields, key);
    const char *question = fields.first_of(kQuestionFields), *answer = fields.first_of(kAnswerFields);
    if (question && answer) return turn(fields, question, answer);
    if (object.contains(kPromptField) && fields.has(kCompletionField)) return completion(fields);
    if (fields.has(kTextField)) return plain_text(fields);
    return incomplete(object, fields);
}

Result<Sample> recognise_prompt(const Json & object, Fields & fields) {
    if (const char * key = fields.first_of(kConversationFields)) return conversation(fields, key);
    if (const char * question = fields.first_of(kQuestionFields))
        return turn(fields, question, fields.first_of(kAnswerFields));
    if (fields.has(kPromptField)) return completion(fields);
    if (fields.has(kTextField)) return plain_text(fields);
    const std::string keys = quoted_keys(object, form_fields(), {});
    return error(QL_BAD_FILE, "there is nothing to answer: messages, conversations, %s, prompt and text can be (%s)",
                 list_of_names(kQuestionFields).c_str(), keys.empty() ? "no keys" : keys.c_str());
}

/// Marks of the whole sample: weights as of a message, and KTO's label of an answer.
Status check_marks(const Json & object, const Sample & sample, Fields & fields) {
    QL_ASSIGN(const bool trained, fields.take_mask(true));
    if (!trained)
        return error(QL_UNSUPPORTED,
                     "the sample says that it is not to be trained (a weight of 0, or false); leave it out");
    const auto label = object.find("label");
    const bool is_mark = label != object.end() && label->is_boolean() && sample.kind != Sample::Kind::text;
    if (!is_mark) return {};  // the class of a text, say: a field that is not used
    fields.take("label");
    if (*label == false)
        return error(QL_UNSUPPORTED,
                     "\"label\" is false: a bad answer is not to be trained; keep the samples with true");
    return {};
}

/// Every text of the sample, the answer last.
std::vector<std::string_view> texts_of(const Sample & sample) {
    std::vector<std::string_view> texts;
    for (const Message & message : sample.messages) texts.push_back(message.content);
    if (sample.kind == Sample::Kind::completion) texts.push_back(sample.prompt);
    if (sample.kind != Sample::Kind::chat) texts.push_back(sample.text);
    return texts;
}

Status has_something_to_train(const Sample & sample) {
    if (sample.kind == Sample::Kind::text)
        return is_blank(sample.text) ? error(QL_BAD_FILE, "\"text\" is empty") : Status();
    if (sample.kind == Sample::Kind::completion)
        return is_blank(sample.text) ? error(QL_BAD_FILE, "\"completion\" is empty: there is nothing to train")
                                     : Status();
    bool answered = false;
    for (const Message & message : sample.messages) {
        const bool says_nothing = is_blank(message.content) && message.reasoning.empty() && message.tool_calls.empty();
        if (message.role != "assistant" || says_nothing) continue;
        if (message.trained) return {};
        answered = true;
    }
    return error(QL_BAD_FILE, answered
                                  ? "every answer is left out by a weight of 0, or false: there is nothing to train"
                                  : "no answer of the assistant: there is nothing to train");
}

/// The record's object, its fields under the names that forms know.
Result<Json> read_object(std::string_view text, int64_t line, const Columns & columns) {
    if (begins_comment(text)) return error(QL_BAD_FILE, "%s", kNoComments);
    QL_ASSIGN(Json json, parse_json(text, line));
    if (!json.is_object()) return error(QL_BAD_FILE, "%s, not an object", json.type_name());
    QL_TRY(rename_columns(columns, json));
    fold_case(json);
    return json;
}

void add_system(const std::string & system, Sample & sample) {
    if (is_blank(system)) return;
    if (sample.kind != Sample::Kind::chat)
        sample.prompt = system + "\n" + sample.prompt;
    else if (sample.messages.empty() || sample.messages[0].role != "system")
        sample.messages.insert(sample.messages.begin(), {"system", system});
}

Status leave_out_answer(Sample & sample) {
    if (sample.kind == Sample::Kind::text) sample.prompt = std::move(sample.text);
    if (sample.kind != Sample::Kind::chat) {
        sample.kind = Sample::Kind::completion;
        sample.text.clear();
        return is_blank(sample.prompt) ? error(QL_BAD_FILE, "the prompt is empty: there is nothing to answer")
                                       : Status();
    }
    std::vector<Message> & messages = sample.messages;
    while (!messages.empty() && messages.back().role == "assistant") messages.pop_back();
    const bool is_asked = !messages.empty() && messages.back().role != "system";
    return is_asked ? Status() : error(QL_BAD_FILE, "no message of a user: there is nothing to answer");
}

}  // namespace

Result<Sample> parse_prompt(std::string_view text, int64_t line, const Columns & columns, const std::string & system) {
    QL_ASSIGN(const Json json, read_object(text, line, columns));
    Fields fields(json);
    QL_TRY(fields.check_refused());
    const bool has_system = fields.has(kSystemField) || fields.has(kOtherSystemField);
    QL_ASSIGN(Sample sample, recognise_prompt(json, fields));
    QL_ASSIGN([[maybe_unused]] const bool trained, fields.take_mask(true));
    if (json.contains("label") && json["label"].is_boolean()) fields.take("label");
    QL_TRY(fields.check_rest(texts_of(sample)));
    QL_TRY(leave_out_answer(sample));
    if (!has_system) add_system(system, sample);
    sample.line = line;
    return sample;
}

Sample prompt_of(std::string message, int64_t line, const std::string & system) {
    Sample sample;
    sample.line = line;
    sample.messages.push_back({"user", std::move(message)});
    add_system(system, sample);
    return sample;
}

Result<Sample> parse_sample(std::string_view text, int64_t line, const Columns & columns) {
    QL_ASSIGN(const Json json, read_object(text, line, columns));
    Fields fields(json);
    QL_TRY(fields.check_refused());
    QL_ASSIGN(Sample sample, recognise(json, fields));
    QL_TRY(check_marks(json, sample, fields));
    QL_TRY(fields.check_rest(texts_of(sample)));
    QL_TRY(has_something_to_train(sample));
    sample.line = line;
    return sample;
}

}  // namespace ql
