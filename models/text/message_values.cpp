#include "models/text/message_values.hpp"

#include <array>

#include "models/text/jinja/from_json.hpp"
#include "models/text/jinja/walk.hpp"

namespace ql {

using jinja::MessagePart;
using jinja::Text;
using jinja::Value;

namespace {

constexpr std::array kReasoningKeys = {"reasoning_content", "thinking"};

/// Arguments stand in data as objects or as JSON text; the template gets the form that it can write.
void bring_arguments(Json & arguments, bool as_text) {
    if (as_text && arguments.is_object()) arguments = arguments.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (as_text || !arguments.is_string()) return;
    auto object = parse_json(arguments.get_ref<const std::string &>());
    if (object.ok() && object->is_object()) arguments = std::move(object).value();
}

Result<Value> calls_of(const Message & message, int32_t index, bool text_arguments) {
    QL_ASSIGN(Json calls, parse_json(message.tool_calls));
    if (!calls.is_array()) return error(QL_BAD_FILE, "\"tool_calls\" is %s, not a list", calls.type_name());
    for (Json & call : calls) {
        if (!call.is_object()) continue;
        const auto function = call.find("function");
        Json & named = function != call.end() && function->is_object() ? *function : call;
        if (const auto arguments = named.find("arguments"); arguments != named.end())
            bring_arguments(*arguments, text_arguments);
    }
    return jinja::from_json(calls, index, MessagePart::call);
}

Result<Value> value_of(const Message & message, int32_t index, const MessageForm & form) {
    jinja::Dict dict;
    dict.set("role", Value(message.role));
    if (message.has_content || form.no_content == MessageForm::NoContent::empty)
        dict.set("content", Value(Text::from_message(message.content, index)));
    else if (form.no_content == MessageForm::NoContent::none)
        dict.set("content", Value(jinja::None{}));
    if (!message.name.empty()) dict.set("name", Value(message.name));
    if (!message.reasoning.empty()) {
        const Value thoughts(Text::from_message(message.reasoning, index, MessagePart::reasoning));
        for (const char * key : kReasoningKeys) dict.set(key, thoughts);
        if (form.reads_reasoning) dict.set("reasoning", thoughts);
    }
    if (!message.tool_calls.empty()) {
        QL_ASSIGN(Value calls, calls_of(message, index, form.text_arguments));
        dict.set("tool_calls", std::move(calls));
    }
    if (!message.tool_call_id.empty()) dict.set("tool_call_id", Value(message.tool_call_id));
    return Value::dict(std::move(dict));
}

}  // namespace

bool reads_reasoning(const jinja::Block & block) {
    bool own = false, other = false;
    jinja::for_each_expr(block, [&](const jinja::Expr & e) {
        const bool literal = e.kind == jinja::Expr::Kind::literal && e.value.is_string();
        const std::string & name = literal ? e.value.text().bytes() : e.name;
        own = own || name == "reasoning";
        other = other || name == kReasoningKeys[0] || name == kReasoningKeys[1];
    });
    return own && !other;
}

Result<Value> message_values(std::span<const Message> messages, const MessageForm & form) {
    std::vector<Value> list;
    for (size_t i = 0; i < messages.size(); ++i) {
        QL_ASSIGN(Value value, value_of(messages[i], static_cast<int32_t>(i), form));
        list.push_back(std::move(value));
    }
    return Value::list(std::move(list));
}

Result<Value> tool_values(const std::string & tools) {
    if (tools.empty()) return Value(jinja::None{});
    QL_ASSIGN(const Json json, parse_json(tools));
    if (!json.is_array()) return error(QL_BAD_FILE, "\"tools\" is %s, not a list", json.type_name());
    if (json.empty()) return Value(jinja::None{});
    return jinja::from_json(json);
}

}  // namespace ql
