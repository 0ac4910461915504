#include "models/data/messages.hpp"

#include "models/data/fields.hpp"
#include "models/json/blanks.hpp"

namespace ql {
namespace {

/// A string, or a list of parts {type: "text", text}.
Result<std::string> content_of(const Json & content, const char * key) {
    if (content.is_string()) return content.get<std::string>();
    if (!content.is_array()) return error(QL_BAD_FILE, "\"%s\" is %s, not a string", key, content.type_name());
    std::string text;
    for (const Json & part : content) {
        if (!part.is_object() || !part.contains("type") || part["type"] != "text")
            return error(QL_UNSUPPORTED, "\"%s\" holds a part that is not text", key);
        Fields fields(part);
        fields.take("type");
        QL_ASSIGN(const std::string piece, fields.take_text("text"));
        QL_TRY(fields.check_rest({piece}));
        text += piece;
    }
    return text;
}

/// The role that a name means in any of the known forms; "" if it means none.
std::string role_of(const std::string & name) {
    static constexpr std::pair<const char *, const char *> roles[] = {
        {"system", "system"}, {"developer", "system"},       {"user", "user"},     {"human", "user"},
        {"prompter", "user"}, {"assistant", "assistant"},    {"gpt", "assistant"}, {"chatgpt", "assistant"},
        {"bot", "assistant"}, {"model", "assistant"},        {"tool", "tool"},     {"observation", "tool"},
        {"function", "tool"}, {"function_response", "tool"},
    };
    for (const auto & [from, to] : roles)
        if (name == from) return to;
    return "";
}

std::string text_of(const Json & json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The list, or the one that a text holds; a single object is a list of one.
Result<Json> list_of(const Json & value, const char * key) {
    Json list = value;
    if (value.is_string()) {
        auto parsed = parse_json(value.get_ref<const std::string &>());
        if (!parsed.ok()) return error(QL_BAD_FILE, "\"%s\", as text: %s", key, parsed.message().c_str());
        list = std::move(parsed).value();
    }
    if (list.is_object()) list = Json::array({list});
    if (!list.is_array()) return error(QL_BAD_FILE, "\"%s\" is %s, not a list", key, list.type_name());
    return list;
}

/// What is named: the object itself, or that under "function".
Result<const Json *> named_object(const Json & item, const char * key, size_t i) {
    if (!item.is_object())
        return error(QL_BAD_FILE, "\"%s\", item %zu: it is %s, not an object", key, i + 1, item.type_name());
    const auto function = item.find("function");
    const Json & named = function == item.end() ? item : *function;
    const bool has_name = named.is_object() && named.contains("name") && named["name"].is_string() &&
                          !is_blank(named["name"].get_ref<const std::string &>());
    if (!has_name) return error(QL_BAD_FILE, "\"%s\", item %zu: it has no \"name\"", key, i + 1);
    return &named;
}

Status check_arguments(const Json & call, const char * key, size_t i) {
    const auto arguments = call.find("arguments");
    if (arguments == call.end()) return error(QL_BAD_FILE, "\"%s\", item %zu: \"arguments\" is missing", key, i + 1);
    if (arguments->is_object()) return {};
    if (arguments->is_string()) {
        const auto object = parse_json(arguments->get_ref<const std::string &>());
        if (object.ok() && object->is_object()) return {};
    }
    return error(QL_BAD_FILE, "\"%s\", item %zu: \"arguments\" is no object, nor the JSON text of one", key, i + 1);
}

Result<std::string> checked_list(const Json & value, const char * key, bool calls) {
    QL_ASSIGN(Json list, list_of(value, key));
    for (size_t i = 0; i < list.size(); ++i) {
        QL_ASSIGN(const Json * named, named_object(list[i], key, i));
        if (calls) QL_TRY(check_arguments(*named, key, i));
        if (calls && named == &list[i])  // templates look under "function", as OpenAI's form has it
            list[i] = Json{{"type", "function"}, {"function", list[i]}};
    }
    return list.empty() ? std::string() : text_of(list);
}

/// Thoughts under any of their names.
Result<std::string> take_reasoning(Fields & fields) {
    std::string reasoning;
    for (const char * key : {"reasoning_content", "reasoning", "thinking"}) {
        QL_ASSIGN(std::string text, fields.take_optional_text(key));
        if (!reasoning.empty() && !text.empty() && text != reasoning)
            return error(QL_BAD_FILE, "\"%s\" differs from the message's other thoughts", key);
        if (!text.empty()) reasoning = std::move(text);
    }
    return is_blank(reasoning) ? std::string() : reasoning;
}

/// What an assistant's message may hold beside its content.
Status take_thoughts_and_calls(Fields & fields, Message & message) {
    QL_ASSIGN(message.reasoning, take_reasoning(fields));
    if (const Json * calls = fields.take("tool_calls")) {
        QL_ASSIGN(message.tool_calls, read_tool_calls(*calls, "tool_calls"));
    }
    if (message.role == "assistant") return {};
    if (!message.reasoning.empty())
        return error(QL_BAD_FILE, "thoughts (reasoning_content) in a message that is not the assistant's");
    if (!message.tool_calls.empty())
        return error(QL_BAD_FILE, "\"tool_calls\" in a message that is not the assistant's");
    return {};
}

/// The content; beside calls of tools it may be null or missing.
Status take_content(const Json & item, const char * key, Fields & fields, Message & message) {
    const auto content = item.find(key);  // an empty answer is an answer
    if (content == item.end() || content->is_null()) {
        if (message.tool_calls.empty() && content == item.end()) return error(QL_BAD_FILE, "\"%s\" is missing", key);
        if (message.tool_calls.empty()) return error(QL_BAD_FILE, "\"%s\" is null, not a string", key);
        message.has_content = false;
        return {};
    }
    QL_ASSIGN(message.content, content_of(*content, key));
    fields.take(key);
    return {};
}

Result<Message> read_message(const Json & item) {
    if (!item.is_object()) return error(QL_BAD_FILE, "it is %s, not an object", item.type_name());
    Fields fields(item);
    QL_TRY(fields.check_refused());
    const char * const role_key = item.contains("from") ? "from" : "role";
    const char * const content_key = item.contains("from") && item.contains("value") ? "value" : "content";
    Message message;
    QL_ASSIGN(const std::string role, fields.take_text(role_key));
    const bool is_call = role == "function_call" || role == "tool_call";  // ShareGPT's: the content is the call
    message.role = is_call ? "assistant" : role_of(role);
    if (message.role.empty())
        return error(QL_UNSUPPORTED, "the role \"%.40s\" is not known: system, user, assistant and tool are",
                     role.c_str());
    QL_TRY(take_thoughts_and_calls(fields, message));
    QL_TRY(take_content(item, content_key, fields, message));
    if (is_call) {
        QL_ASSIGN(message.tool_calls, read_tool_calls(message.content, content_key));
        message.content.clear();
        message.has_content = false;
    }
    if (message.role == "tool") {
        QL_ASSIGN(message.tool_call_id, fields.take_optional_text("tool_call_id"));
    }
    QL_ASSIGN(message.name, fields.take_optional_text("name"));
    QL_ASSIGN(message.trained, fields.take_mask(message.role == "assistant"));
    QL_TRY(fields.check_rest({message.content}));
    return message;
}

}  // namespace

Result<std::string> read_tools(const Json & list, const char * key) {
    return checked_list(list, key, false);
}

Result<std::string> read_tool_calls(const Json & list, const char * key) {
    return checked_list(list, key, true);
}

Result<std::vector<Message>> read_messages(const Json & list, const char * key) {
    if (!list.is_array()) return error(QL_BAD_FILE, "\"%s\" is %s, not a list of messages", key, list.type_name());
    std::vector<Message> messages;
    for (const Json & item : list) {
        auto message = read_message(item);
        if (!message.ok())
            return error(message.code(), "\"%s\", message %zu: %s", key, messages.size() + 1,
                         message.message().c_str());
        messages.push_back(std::move(message).value());
    }
    return messages;
}

}  // namespace ql
