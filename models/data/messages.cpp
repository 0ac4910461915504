#include "models/data/messages.hpp"

#include "models/data/fields.hpp"

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

Result<Message> read_message(const Json & item) {
    if (!item.is_object()) return error(QL_BAD_FILE, "it is %s, not an object", item.type_name());
    Fields fields(item);
    QL_TRY(fields.check_refused());
    const char * const role_key = item.contains("from") ? "from" : "role";
    const char * const content_key = item.contains("from") && item.contains("value") ? "value" : "content";
    Message message;
    QL_ASSIGN(const std::string role, fields.take_text(role_key));
    message.role = role_of(role);
    if (message.role.empty())
        return error(QL_UNSUPPORTED, "the role \"%.40s\" is not known: system, user, assistant and tool are",
                     role.c_str());
    const auto content = item.find(content_key);  // an empty answer is an answer
    if (content == item.end()) return error(QL_BAD_FILE, "\"%s\" is missing", content_key);
    QL_ASSIGN(message.content, content_of(*content, content_key));
    fields.take(content_key);
    QL_ASSIGN(message.name, fields.take_optional_text("name"));
    QL_ASSIGN(message.trained, fields.take_mask(message.role == "assistant"));
    QL_TRY(fields.check_rest({message.content}));
    return message;
}

}  // namespace

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
