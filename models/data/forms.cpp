#include "models/data/forms.hpp"

#include <algorithm>
#include <array>

#include "models/json/parse_json.hpp"

namespace ql {

namespace {

bool is_blank(const std::string & text) {
    return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

/// The string under a key.
Result<std::string> string_at(const Json & object, const char * key) {
    const auto found = object.find(key);
    if (found == object.end()) return error(QL_BAD_FILE, "\"%s\" is missing", key);
    if (!found->is_string()) return error(QL_BAD_FILE, "\"%s\" is %s, not a string", key, found->type_name());
    return found->get<std::string>();
}

Result<std::string> optional_string_at(const Json & object, const char * key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? std::string() : string_at(object, key);
}

bool is_absent(const Json & object, const char * key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ||
           ((found->is_array() || found->is_object() || found->is_string()) && found->empty()) ||
           (found->is_string() && found->get_ref<const std::string &>() == "[]");
}

/// A string, or a list of parts {type: "text", text}.
Result<std::string> content_of(const Json & message, const char * key) {
    const auto found = message.find(key);
    if (found == message.end() || !found->is_array()) return string_at(message, key);
    std::string text;
    for (const Json & part : *found) {
        if (!part.is_object() || part.value("type", Json()) != Json("text"))
            return error(QL_UNSUPPORTED, "\"%s\" holds a part that is not text", key);
        QL_ASSIGN(const std::string piece, string_at(part, "text"));
        text += piece;
    }
    return text;
}

/// The role that a name of any of the known forms means; "" if none.
std::string role_of(const std::string & name) {
    static constexpr std::array<std::pair<const char *, const char *>, 14> roles = {{
        {"system", "system"},
        {"developer", "system"},
        {"user", "user"},
        {"human", "user"},
        {"prompter", "user"},
        {"assistant", "assistant"},
        {"gpt", "assistant"},
        {"chatgpt", "assistant"},
        {"bot", "assistant"},
        {"model", "assistant"},
        {"tool", "tool"},
        {"observation", "tool"},
        {"function", "tool"},
        {"function_response", "tool"},
    }};
    for (const auto & [from, to] : roles)
        if (name == from) return to;
    return "";
}

Result<std::vector<Message>> conversation(const Json & list, const char * key) {
    if (!list.is_array()) return error(QL_BAD_FILE, "\"%s\" is %s, not a list of messages", key, list.type_name());
    std::vector<Message> messages;
    for (size_t i = 0; i < list.size(); ++i) {
        const Json & item = list[i];
        const auto at = [&](const Status & status) {
            return error(status.code(), "\"%s\", message %zu: %s", key, i + 1, status.message().c_str());
        };
        if (!item.is_object()) return at(error(QL_BAD_FILE, "it is %s, not an object", item.type_name()));
        const bool sharegpt = item.contains("from");
        for (const char * other : {"tool_calls", "function_call", "reasoning_content", "thinking"})
            if (!is_absent(item, other)) return at(error(QL_UNSUPPORTED, "\"%s\" is not supported", other));
        auto name = string_at(item, sharegpt ? "from" : "role");
        if (!name.ok()) return at(name.status());
        auto content = content_of(item, sharegpt ? "value" : "content");
        if (!content.ok()) return at(content.status());
        std::string role = role_of(*name);
        if (role.empty())
            return at(error(QL_UNSUPPORTED, "the role \"%s\" is not known: system, user, assistant and tool are",
                            name->c_str()));
        messages.push_back({std::move(role), std::move(*content)});
    }
    return messages;
}

/// A conversation of one turn.
Sample one_turn(std::string system, std::string question, std::string answer) {
    Sample sample;
    if (!is_blank(system)) sample.messages.push_back({"system", std::move(system)});
    sample.messages.push_back({"user", std::move(question)});
    sample.messages.push_back({"assistant", std::move(answer)});
    return sample;
}

Result<Sample> alpaca(const Json & object) {
    if (!is_absent(object, "history"))
        return error(QL_UNSUPPORTED, "\"history\" is not supported; write the conversation as \"messages\"");
    QL_ASSIGN(std::string instruction, string_at(object, "instruction"));
    QL_ASSIGN(const std::string input, optional_string_at(object, "input"));
    QL_ASSIGN(std::string output, string_at(object, "output"));
    QL_ASSIGN(std::string system, optional_string_at(object, "system"));
    if (!is_blank(input)) instruction += (instruction.empty() ? "" : "\n") + input;
    return one_turn(std::move(system), std::move(instruction), std::move(output));
}

Result<Sample> recognise(const Json & object) {
    for (const char * key : {"messages", "conversations"}) {
        if (!object.contains(key)) continue;
        for (const char * other : {"tools", "functions", "chosen"})
            if (!is_absent(object, other))
                return error(QL_UNSUPPORTED, "\"%s\" beside \"%s\" is not supported", other, key);
        QL_ASSIGN(auto messages, conversation(object[key], key));
        QL_ASSIGN(std::string system, optional_string_at(object, "system"));
        if (!is_blank(system)) messages.insert(messages.begin(), {"system", std::move(system)});
        Sample sample;
        sample.messages = std::move(messages);
        return sample;
    }
    if (object.contains("instruction")) return alpaca(object);
    Sample sample;
    if (object.contains("prompt") && object.contains("completion")) {
        sample.kind = Sample::Kind::completion;
        QL_ASSIGN(sample.prompt, string_at(object, "prompt"));
        QL_ASSIGN(sample.text, string_at(object, "completion"));
        return sample;
    }
    if (object.contains("question") && object.contains("answer")) {
        QL_ASSIGN(std::string question, string_at(object, "question"));
        QL_ASSIGN(std::string answer, string_at(object, "answer"));
        return one_turn("", std::move(question), std::move(answer));
    }
    if (object.contains("text")) {
        sample.kind = Sample::Kind::text;
        QL_ASSIGN(sample.text, string_at(object, "text"));
        return sample;
    }
    std::string keys;
    for (const auto & item : object.items()) keys += (keys.empty() ? "" : ", ") + item.key().substr(0, 40);
    return error(QL_BAD_FILE,
                 "keys of no known form (%s); known are messages, conversations, instruction/output, "
                 "prompt/completion, question/answer, text",
                 keys.empty() ? "none" : keys.substr(0, 200).c_str());
}

Status has_something_to_train(const Sample & sample) {
    if (sample.kind == Sample::Kind::text)
        return is_blank(sample.text) ? error(QL_BAD_FILE, "\"text\" is empty") : Status();
    if (sample.kind == Sample::Kind::completion)
        return is_blank(sample.text) ? error(QL_BAD_FILE, "\"completion\" is empty: there is nothing to train")
                                     : Status();
    for (const Message & message : sample.messages)
        if (message.role == "assistant" && !is_blank(message.content)) return {};
    return error(QL_BAD_FILE, "no answer of the assistant: there is nothing to train");
}

}  // namespace

Result<Sample> parse_sample(std::string_view text, int64_t line) {
    QL_ASSIGN(const Json json, parse_json(text, line));
    if (!json.is_object()) return error(QL_BAD_FILE, "%s, not an object", json.type_name());
    QL_ASSIGN(Sample sample, recognise(json));
    QL_TRY(has_something_to_train(sample));
    sample.line = line;
    return sample;
}

}  // namespace ql
