#include "models/text/template_kwargs.hpp"

#include <algorithm>
#include <set>

#include "models/json/parse_json.hpp"
#include "models/text/jinja/call.hpp"
#include "models/text/jinja/from_json.hpp"
#include "models/text/jinja/walk.hpp"

namespace ql {
namespace {

constexpr size_t kMaxBytes = 16 * 1024;
constexpr const char * kOwn[] = {"messages",  "add_generation_prompt", "tools",     "documents",   "bos_token",
                                 "eos_token", "unk_token",             "pad_token", "strftime_now"};

Result<Json> parse_kwargs(const std::string & text) {
    if (text.size() > kMaxBytes)
        return error(QL_INVALID_ARGUMENT, "chat_template_kwargs: %zu bytes long, at most %zu are read", text.size(),
                     kMaxBytes);
    const auto json = parse_json(text);
    if (!json.ok()) return error(QL_INVALID_ARGUMENT, "chat_template_kwargs: %s", json.message().c_str());
    if (!json->is_object())
        return error(QL_INVALID_ARGUMENT, "chat_template_kwargs: a JSON object is needed, such as %s, not %s",
                     R"({"enable_thinking": false})", json->type_name());
    for (const auto & [name, value] : json->items())
        if (std::find(std::begin(kOwn), std::end(kOwn), name) != std::end(kOwn))
            return error(QL_INVALID_ARGUMENT, "chat_template_kwargs: '%s' is given to every template already",
                         name.c_str());
    return json;
}

/// Names that loops and macros of a block bind.
void add_bound(const jinja::Block & block, std::set<std::string> & names) {
    for (const auto & stmt : block) {
        if (stmt->kind == jinja::Stmt::Kind::loop) names.insert(stmt->targets.begin(), stmt->targets.end());
        if (stmt->kind == jinja::Stmt::Kind::macro) names.insert(stmt->name);
        for (const auto & parameter : stmt->parameters) names.insert(parameter.first);
        for (const auto & branch : stmt->branches) add_bound(branch.second, names);
        add_bound(stmt->body, names);
        add_bound(stmt->orelse, names);
    }
}

/// Names that a block may take from outside: those that it reads, but functions and what loops and macros bind.
std::set<std::string> names_from_outside(const jinja::Block & block) {
    std::set<std::string> names, bound = {"loop"};
    jinja::for_each_expr(block, [&](const jinja::Expr & e) {
        if (e.kind == jinja::Expr::Kind::name) names.insert(e.name);
    });
    add_bound(block, bound);
    for (const jinja::Builtin & function : jinja::functions()) bound.insert(std::string(function.name));
    for (const std::string & name : bound) names.erase(name);
    return names;
}

}  // namespace

Result<std::string> read_template_kwargs(const std::string & text) {
    if (text.empty()) return std::string();
    QL_ASSIGN(const Json kwargs, parse_kwargs(text));
    return kwargs.empty() ? std::string() : kwargs.dump();
}

Status set_template_kwargs(const std::string & kwargs, const jinja::Block & block, jinja::Dict & variables) {
    if (kwargs.empty()) return {};
    QL_ASSIGN(const Json json, parse_kwargs(kwargs));
    const std::set<std::string> names = names_from_outside(block);
    for (const auto & [name, value] : json.items()) {
        if (names.count(name) == 0)
            return error(QL_INVALID_ARGUMENT, "chat_template_kwargs: the chat template does not read '%.60s'",
                         name.c_str());
        auto converted = jinja::from_json(value);
        if (!converted.ok())
            return error(QL_INVALID_ARGUMENT, "chat_template_kwargs: %.60s: %s", name.c_str(),
                         converted.message().c_str());
        variables.set(name, std::move(converted).value());
    }
    return {};
}

}  // namespace ql
