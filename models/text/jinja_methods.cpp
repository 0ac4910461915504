// Methods of strings, dicts, lists and `loop`. What changes its object is not here: the sandbox forbids it too.
#include <algorithm>

#include "models/text/jinja_ops.hpp"

namespace ql::jinja {

namespace {

Result<Value> stripped(const Call & call, bool left, bool right) {
    if (call.has(0) && !call.args[0].is_string())
        return error(QL_INVALID_ARGUMENT, "%s needs a string", call.name.c_str());
    return make_text(strip(call.self.text(), call.args[0], left, right), call.meter);
}

/// split and rsplit; a limit < 0 is none.
Result<Value> split(const Call & call, bool from_right) {
    const Text & text = call.self.text();
    QL_ASSIGN(const int64_t limit, call.integer(1, -1));
    std::vector<std::pair<size_t, size_t>> parts;
    const auto room = [&] { return limit < 0 || static_cast<int64_t>(parts.size()) < limit; };
    if (call.has(0)) {
        QL_ASSIGN(const Text separator, call.text(0, nullptr));
        if (separator.empty()) return error(QL_INVALID_ARGUMENT, "split: the separator is empty");
        const std::string &bytes = text.bytes(), &mark = separator.bytes();
        size_t begin = 0, end = bytes.size(), found;
        while (from_right && room() && end >= mark.size() &&
               (found = bytes.rfind(mark, end - mark.size())) != std::string::npos) {
            parts.emplace_back(found + mark.size(), end);
            end = found;
        }
        while (!from_right && room() && (found = bytes.find(mark, begin)) != std::string::npos) {
            parts.emplace_back(begin, found);
            begin = found + mark.size();
        }
        parts.emplace_back(begin, end);
    } else {
        if (from_right && limit >= 0)
            return error(QL_UNSUPPORTED, "rsplit with a limit and without a separator is not supported");
        size_t at = skip_space(text.view());
        while (at < text.size()) {
            size_t end = at, length = 0;
            while (end < text.size() && !is_space(utf8_decode(text.view(), end, &length))) end += length;
            if (!room()) end = text.size();
            parts.emplace_back(at, end);
            at = skip_space(text.view(), end);
        }
    }
    if (from_right) std::reverse(parts.begin(), parts.end());
    QL_TRY(call.meter.charge(text.size() + parts.size() * sizeof(Text)));
    std::vector<Value> out;
    for (const auto & [begin, end] : parts) out.emplace_back(text.sub(begin, end));
    return make_list(std::move(out), call.meter);
}

Result<Value> splitlines(const Call & call) {
    const Text & text = call.self.text();
    std::vector<Value> out;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.bytes().find_first_of("\n\r", at), text.size());
        const size_t next = end + (text.bytes().compare(end, 2, "\r\n") == 0 ? 2 : 1);
        out.emplace_back(text.sub(at, std::min(call.args[0].truthy() ? next : end, text.size())));
        at = next;
    }
    QL_TRY(call.meter.charge(text.size() + out.size() * sizeof(Text)));
    return make_list(std::move(out), call.meter);
}

Result<Value> affix(const Call & call, bool at_start) {
    std::vector<Value> options = {call.args[0]};
    if (call.args[0].is_list()) options = call.args[0].list().items;
    for (const Value & option : options) {
        if (!option.is_string())
            return error(QL_INVALID_ARGUMENT, "%s needs a string, got %s", call.name.c_str(), option.type_name());
        const std::string_view bytes = call.self.text().view(), part = option.text().view();
        if (at_start ? bytes.starts_with(part) : bytes.ends_with(part)) return Value(true);
    }
    return Value(false);
}

Result<Value> without_affix(const Call & call, bool at_start) {
    QL_ASSIGN(const Value found, affix(call, at_start));
    const Text & text = call.self.text();
    if (!found.truthy()) return call.self;
    const size_t length = call.args[0].text().size();
    return make_text(at_start ? text.sub(length, text.size()) : text.sub(0, text.size() - length), call.meter);
}

Result<Value> cased(const Call & call, Case to) {
    QL_ASSIGN(Text text, change_case(call.self.text(), to));
    return make_text(std::move(text), call.meter);
}

Result<Value> replace_method(const Call & call) {
    QL_ASSIGN(const Text old, call.text(0, nullptr));
    QL_ASSIGN(const Text with, call.text(1, nullptr));
    QL_ASSIGN(const int64_t count, call.integer(2, -1));
    QL_ASSIGN(Text out, replace(call.self.text(), old, with, count, call.meter));
    return Value(std::move(out));
}

Result<Value> find(const Call & call, bool from_right) {
    QL_ASSIGN(const Text part, call.text(0, nullptr));
    const std::string & bytes = call.self.text().bytes();
    const size_t at = from_right ? bytes.rfind(part.bytes()) : bytes.find(part.bytes());
    if (at == std::string::npos) return Value(int64_t{-1});
    return Value(static_cast<int64_t>(utf8_count(std::string_view(bytes).substr(0, at))));
}

Result<Value> count(const Call & call) {
    QL_ASSIGN(const Text part, call.text(0, nullptr));
    if (part.empty()) return error(QL_UNSUPPORTED, "counting an empty string is not supported");
    int64_t found = 0;
    for (size_t at = 0; (at = call.self.text().bytes().find(part.bytes(), at)) != std::string::npos; at += part.size())
        ++found;
    return Value(found);
}

Result<Value> join(const Call & call) {
    return apply_filter({"join", call.args[0], {call.self}, {}, call.meter});
}

/// isdigit, isalpha ... of ASCII text; another letter is an error.
Result<Value> all_are(const Call & call, bool (*test)(char)) {
    const std::string & bytes = call.self.text().bytes();
    for (const char c : bytes)
        if (static_cast<unsigned char>(c) >= 0x80)
            return error(QL_UNSUPPORTED, "%s beyond ASCII is not supported", call.name.c_str());
    return Value(!bytes.empty() && std::all_of(bytes.begin(), bytes.end(), test));
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

const std::vector<Builtin> & string_methods() {
    using C = const Call &;
    static const std::vector<Builtin> table = {
        {"strip", {"chars"}, [](C c) { return stripped(c, true, true); }},
        {"lstrip", {"chars"}, [](C c) { return stripped(c, true, false); }},
        {"rstrip", {"chars"}, [](C c) { return stripped(c, false, true); }},
        {"split", {"sep", "maxsplit"}, [](C c) { return split(c, false); }},
        {"rsplit", {"sep", "maxsplit"}, [](C c) { return split(c, true); }},
        {"splitlines", {"keepends"}, splitlines},
        {"startswith", {"prefix"}, [](C c) { return affix(c, true); }},
        {"endswith", {"suffix"}, [](C c) { return affix(c, false); }},
        {"removeprefix", {"prefix"}, [](C c) { return without_affix(c, true); }},
        {"removesuffix", {"suffix"}, [](C c) { return without_affix(c, false); }},
        {"upper", {}, [](C c) { return cased(c, Case::upper); }},
        {"lower", {}, [](C c) { return cased(c, Case::lower); }},
        {"title", {}, [](C c) { return cased(c, Case::title); }},
        {"capitalize", {}, [](C c) { return cased(c, Case::capitalize); }},
        {"replace", {"old", "new", "count"}, replace_method},
        {"find", {"sub"}, [](C c) { return find(c, false); }},
        {"rfind", {"sub"}, [](C c) { return find(c, true); }},
        {"count", {"sub"}, count},
        {"join", {"iterable"}, join},
        {"isdigit", {}, [](C c) { return all_are(c, is_digit); }},
        {"isalpha", {}, [](C c) { return all_are(c, is_alpha); }},
        {"isalnum", {}, [](C c) { return all_are(c, [](char x) { return is_digit(x) || is_alpha(x); }); }},
    };
    return table;
}

Result<Value> get(const Call & call) {
    const Value * found = call.args[0].is_string() ? call.self.dict().find(call.args[0].text().view()) : nullptr;
    return found ? *found : call.args[1].is_undefined() ? Value(None{}) : call.args[1];
}

Result<Value> items(const Call & call) {
    return apply_filter({"items", call.self, {}, {}, call.meter});
}

Result<Value> keys_or_values(const Call & call, bool keys) {
    std::vector<Value> out;
    for (const auto & item : call.self.dict().items) out.push_back(keys ? Value(item.first) : item.second);
    return make_list(std::move(out), call.meter);
}

Result<Value> forbidden(const Call & call) {
    return error(QL_UNSUPPORTED, "'%s' changes its object, which templates may not do", call.name.c_str());
}

const std::vector<Builtin> & dict_methods() {
    static const std::vector<Builtin> table = {
        {"get", {"key", "default"}, get},
        {"items", {}, items},
        {"keys", {}, [](const Call & call) { return keys_or_values(call, true); }},
        {"values", {}, [](const Call & call) { return keys_or_values(call, false); }},
        {"copy", {}, [](const Call & call) -> Result<Value> { return call.self; }},
        {"update", {"..."}, forbidden},
        {"pop", {"..."}, forbidden},
        {"popitem", {"..."}, forbidden},
        {"setdefault", {"..."}, forbidden},
        {"clear", {"..."}, forbidden},
    };
    return table;
}

Result<Value> index(const Call & call) {
    const auto & items = call.self.list().items;
    for (size_t i = 0; i < items.size(); ++i) {
        QL_ASSIGN(const bool same, equal(items[i], call.args[0], call.meter));
        if (same) return Value(static_cast<int64_t>(i));
    }
    return error(QL_INVALID_ARGUMENT, "index: the item is not in the list");
}

Result<Value> count_item(const Call & call) {
    int64_t found = 0;
    for (const Value & item : call.self.list().items) {
        QL_ASSIGN(const bool same, equal(item, call.args[0], call.meter));
        found += same;
    }
    return Value(found);
}

const std::vector<Builtin> & list_methods() {
    static const std::vector<Builtin> table = {
        {"index", {"item"}, index},      {"count", {"item"}, count_item}, {"append", {"..."}, forbidden},
        {"extend", {"..."}, forbidden},  {"insert", {"..."}, forbidden},  {"pop", {"..."}, forbidden},
        {"remove", {"..."}, forbidden},  {"clear", {"..."}, forbidden},   {"sort", {"..."}, forbidden},
        {"reverse", {"..."}, forbidden},
    };
    return table;
}

Result<Value> cycle(const Call & call) {
    if (call.args.empty()) return error(QL_INVALID_ARGUMENT, "loop.cycle needs something to choose from");
    return call.args[call.self.loop().index % call.args.size()];
}

Result<Value> changed(const Call & call) {
    Loop & loop = call.self.loop();
    bool same = loop.changed.size() == call.args.size() && !call.args.empty();
    for (size_t i = 0; same && i < call.args.size(); ++i) {
        QL_ASSIGN(same, equal(loop.changed[i], call.args[i], call.meter));
    }
    loop.changed = call.args;
    return Value(!same);
}

const std::vector<Builtin> & methods_of(const Value & object) {
    static const std::vector<Builtin> loop_methods = {{"cycle", {"..."}, cycle}, {"changed", {"..."}, changed}};
    static const std::vector<Builtin> none;
    if (object.is_string()) return string_methods();
    if (object.is_dict()) return dict_methods();
    if (object.is_list()) return list_methods();
    return object.is_loop() ? loop_methods : none;
}

}  // namespace

bool has_method(const Value & object, std::string_view name) {
    return has_builtin(methods_of(object), name);
}

Result<Value> call_method(Call call) {
    const auto & table = methods_of(call.self);
    return run_builtin(table, "method", std::move(call));
}

}  // namespace ql::jinja
