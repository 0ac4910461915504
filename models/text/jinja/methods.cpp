// Methods of strings, dicts, lists and `loop`. None here changes its object: Jinja's sandbox forbids that too.
#include <algorithm>

#include "models/text/jinja/ops.hpp"
#include "models/text/jinja/print.hpp"
#include "models/text/jinja/search.hpp"

namespace ql::jinja {

namespace {

using type::kAny, type::kDict, type::kInteger, type::kList, type::kNone, type::kText, type::kUndefined;

Result<Value> stripped(const Call & call, bool left, bool right) {
    return strip(call.self.text(), call.args[0], left, right, call.meter);
}

/// The parts of split and rsplit in order, as places in the text. Each is charged as the value it will be.
class Parts {
  public:
    Parts(const Call & call) : call_(call), limit_(call.integer(1, -1)) {}

    bool room() const { return limit_ < 0 || static_cast<int64_t>(places_.size()) < limit_; }
    Status add(size_t begin, size_t end) {
        QL_TRY(call_.meter.charge(2 * sizeof(places_[0])));
        places_.emplace_back(begin, end);
        return {};
    }
    Result<Value> list(bool reversed) {
        if (reversed) std::reverse(places_.begin(), places_.end());
        ListMaker out(call_.meter);
        for (const auto & [begin, end] : places_) {
            QL_ASSIGN(Value part, make_part(call_.self.text(), begin, end, call_.meter));
            QL_TRY(out.add(std::move(part)));
        }
        return out.list();
    }

  private:
    const Call & call_;
    int64_t limit_;
    std::vector<std::pair<size_t, size_t>> places_;
};

Result<Value> split_at(const Call & call, std::string_view mark, bool from_right) {
    if (mark.empty()) return error(QL_INVALID_ARGUMENT, "%s: the separator is empty", call.shown().c_str());
    const std::string_view text = call.self.text().view();
    QL_ASSIGN(Search search, Search::make(text, mark, call.meter, from_right));
    Parts parts(call);
    size_t begin = 0, end = text.size(), found;
    while (parts.room() && (found = search.next()) != std::string_view::npos) {
        QL_TRY(from_right ? parts.add(found + mark.size(), end) : parts.add(begin, found));
        (from_right ? end : begin) = from_right ? found : found + mark.size();
    }
    QL_TRY(parts.add(begin, end));
    return parts.list(from_right);
}

Result<Value> split_at_space(const Call & call, bool from_right) {
    if (from_right && call.integer(1, -1) >= 0)
        return error(QL_UNSUPPORTED, "rsplit with a limit and without a separator is not supported");
    const std::string_view text = call.self.text().view();
    QL_TRY(call.meter.scan(text.size()));
    Parts parts(call);
    for (size_t at = skip_space(text); at < text.size();) {
        size_t end = at, length = 0;
        while (end < text.size() && !is_space(utf8_decode(text, end, &length))) end += length;
        if (!parts.room()) end = text.size();
        QL_TRY(parts.add(at, end));
        at = skip_space(text, end);
    }
    return parts.list(false);
}

Result<Value> split(const Call & call, bool from_right) {
    return call.has(0) ? split_at(call, call.args[0].text().view(), from_right) : split_at_space(call, from_right);
}

/// The size of the line ending that a text begins with, of those that Python knows; 0 for none.
size_t line_end_size(std::string_view text) {
    for (const std::string_view end :
         {"\r\n", "\n", "\r", "\v", "\f", "\x1C", "\x1D", "\x1E", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"})
        if (text.starts_with(end)) return end.size();
    return 0;
}

Result<Value> splitlines(const Call & call) {
    const Text & text = call.self.text();
    QL_TRY(call.meter.scan(text.size()));
    ListMaker out(call.meter);
    for (size_t at = 0; at < text.size();) {
        size_t end = at;
        while (end < text.size() && line_end_size(text.view().substr(end)) == 0) ++end;
        const size_t next = end + std::max<size_t>(line_end_size(text.view().substr(end)), 1);
        const size_t shown = std::min(call.args[0].truthy() ? next : end, text.size());
        QL_ASSIGN(Value line, make_part(text, at, shown, call.meter));
        QL_TRY(out.add(std::move(line)));
        at = next;
    }
    return out.list();
}

bool has_affix(std::string_view text, std::string_view part, bool at_start) {
    return at_start ? text.starts_with(part) : text.ends_with(part);
}

/// One string, or a tuple of them.
Result<Value> affix(const Call & call, bool at_start) {
    const std::string_view text = call.self.text().view();
    const Value & options = call.args[0];
    if (options.is_string()) {
        QL_TRY(call.meter.scan(std::min(text.size(), options.text().size())));
        return Value(has_affix(text, options.text().view(), at_start));
    }
    const auto refused = [&](const char * got) {
        return error(QL_INVALID_ARGUMENT, "%s: '%s' must be a string or a tuple of strings, got %s",
                     call.shown().c_str(), at_start ? "prefix" : "suffix", got);
    };
    if (!options.list().is_tuple) return refused("a list");
    for (const Value & option : options.list().items) {
        if (!option.is_string()) return refused(format("%s in the tuple", option.type_name()).c_str());
        QL_TRY(call.meter.step(1 + std::min(text.size(), option.text().size()) / 64));
        if (has_affix(text, option.text().view(), at_start)) return Value(true);
    }
    return Value(false);
}

Result<Value> without_affix(const Call & call, bool at_start) {
    const Text &text = call.self.text(), &part = call.args[0].text();
    QL_TRY(call.meter.scan(std::min(text.size(), part.size())));
    if (!has_affix(text.view(), part.view(), at_start)) return call.self;
    const size_t rest = text.size() - part.size();
    return at_start ? make_part(text, part.size(), text.size(), call.meter) : make_part(text, 0, rest, call.meter);
}

Result<Value> cased(const Call & call, Case to) {
    return change_case(call.self.text(), to, call.meter);
}

Result<Value> replace_method(const Call & call) {
    return replace(call.self.text(), call.args[0].text(), call.args[1].text(), call.integer(2, -1), call.meter);
}

Result<Value> find(const Call & call, bool from_right) {
    const std::string_view text = call.self.text().view(), part = call.args[0].text().view();
    QL_TRY(call.meter.scan(2 * text.size()));
    size_t at = from_right ? text.size() : 0;
    if (!part.empty()) {
        QL_ASSIGN(Search search, Search::make(text, part, call.meter, from_right));
        at = search.next();
    }
    if (at == std::string_view::npos) return Value(int64_t{-1});
    return Value(static_cast<int64_t>(utf8_count(text.substr(0, at))));
}

Result<Value> count(const Call & call) {
    const std::string_view text = call.self.text().view(), part = call.args[0].text().view();
    QL_TRY(call.meter.scan(text.size()));
    if (part.empty()) return Value(static_cast<int64_t>(utf8_count(text)) + 1);
    QL_ASSIGN(Search search, Search::make(text, part, call.meter));
    int64_t found = 0;
    while (search.next() != std::string_view::npos) ++found;
    return Value(found);
}

Result<Value> join(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.args[0], call.meter));
    for (const Value & item : list->items) {
        QL_TRY(call.meter.step());
        if (!item.is_string())
            return error(QL_INVALID_ARGUMENT, "join: every item must be a string, got %s", item.type_name());
    }
    return apply_filter({"join", list, {call.self}, {}, call.meter, {}});
}

/// isdigit, isalpha ... of ASCII text; another letter is an error.
Result<Value> all_are(const Call & call, bool (*test)(char)) {
    const std::string & bytes = call.self.text().bytes();
    QL_TRY(call.meter.scan(2 * bytes.size()));
    for (const char c : bytes)
        if (static_cast<unsigned char>(c) >= 0x80)
            return error(QL_UNSUPPORTED, "%s beyond ASCII is not supported", call.shown().c_str());
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
    static const std::vector<Parameter> chars = {placed_or_not("chars", kText | kNone)}, sub = {placed("sub", kText)},
                                        marks = {{"sep", kText | kNone}, {"maxsplit", kInteger}};
    static const std::vector<Builtin> table = {
        {"strip", kText, chars, [](C c) { return stripped(c, true, true); }},
        {"lstrip", kText, chars, [](C c) { return stripped(c, true, false); }},
        {"rstrip", kText, chars, [](C c) { return stripped(c, false, true); }},
        {"split", kText, marks, [](C c) { return split(c, false); }},
        {"rsplit", kText, marks, [](C c) { return split(c, true); }},
        {"splitlines", kText, {{"keepends"}}, splitlines},
        {"startswith", kText, {placed("prefix", kText | kList)}, [](C c) { return affix(c, true); }},
        {"endswith", kText, {placed("suffix", kText | kList)}, [](C c) { return affix(c, false); }},
        {"removeprefix", kText, {placed("prefix", kText)}, [](C c) { return without_affix(c, true); }},
        {"removesuffix", kText, {placed("suffix", kText)}, [](C c) { return without_affix(c, false); }},
        {"upper", kText, {}, [](C c) { return cased(c, Case::upper); }},
        {"lower", kText, {}, [](C c) { return cased(c, Case::lower); }},
        {"title", kText, {}, [](C c) { return cased(c, Case::title); }},
        {"capitalize", kText, {}, [](C c) { return cased(c, Case::capitalize); }},
        {"replace",
         kText,
         {placed("old", kText), placed("new", kText), placed_or_not("count", kInteger)},
         replace_method},
        {"format", kText, {}, format_text, true},
        {"find", kText, sub, [](C c) { return find(c, false); }},
        {"rfind", kText, sub, [](C c) { return find(c, true); }},
        {"count", kText, sub, count},
        {"join", kText, {placed("iterable", kText | kList | kDict | kUndefined)}, join},
        {"isdigit", kText, {}, [](C c) { return all_are(c, is_digit); }},
        {"isalpha", kText, {}, [](C c) { return all_are(c, is_alpha); }},
        {"isalnum", kText, {}, [](C c) { return all_are(c, [](char x) { return is_digit(x) || is_alpha(x); }); }},
    };
    return table;
}

Result<Value> get(const Call & call) {
    QL_ASSIGN(const Value * const found, find_key(call.self.dict(), call.args[0], call.meter));
    if (found) return *found;
    return call.given(1) ? call.args[1] : Value(None{});
}

Result<Value> items(const Call & call) {
    return apply_filter({"items", call.self, {}, {}, call.meter, {}});
}

Result<Value> keys(const Call & call) {
    QL_ASSIGN(auto list, iterate(call.self, call.meter));
    return Value(std::move(list));
}

Result<Value> values(const Call & call) {
    ListMaker out(call.meter);
    for (const auto & item : call.self.dict().items()) QL_TRY(out.add(item.second));
    return out.list();
}

Result<Value> forbidden(const Call & call) {
    return error(QL_UNSUPPORTED, "'%s' changes its object, which templates may not do", call.shown().c_str());
}

constexpr Types kHashable = kAny & ~(kList | kDict);

const std::vector<Builtin> & dict_methods() {
    static const std::vector<Builtin> table = {
        {"get", kDict, {placed("key", kHashable), placed_or_not("default", kAny)}, get},
        {"items", kDict, {}, items},
        {"keys", kDict, {}, keys},
        {"values", kDict, {}, values},
        {"copy", kDict, {}, [](const Call & call) -> Result<Value> { return call.self; }},
        {"update", kDict, {}, forbidden, true},
        {"pop", kDict, {}, forbidden, true},
        {"popitem", kDict, {}, forbidden, true},
        {"setdefault", kDict, {}, forbidden, true},
        {"clear", kDict, {}, forbidden, true},
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
    static const std::vector<Parameter> item = {placed("item", kAny)};
    static const std::vector<Builtin> table = {
        {"index", kList, item, index},          {"count", kList, item, count_item},
        {"append", kList, {}, forbidden, true}, {"extend", kList, {}, forbidden, true},
        {"insert", kList, {}, forbidden, true}, {"pop", kList, {}, forbidden, true},
        {"remove", kList, {}, forbidden, true}, {"clear", kList, {}, forbidden, true},
        {"sort", kList, {}, forbidden, true},   {"reverse", kList, {}, forbidden, true},
    };
    return table;
}

Result<Value> cycle(const Call & call) {
    if (call.args.empty()) return error(QL_INVALID_ARGUMENT, "loop.cycle needs something to choose from");
    return call.args[call.self.loop().index % call.args.size()];
}

/// A loop that is over keeps nothing: loops that hold one another would never be freed.
Result<Value> changed(const Call & call) {
    Loop & loop = call.self.loop();
    if (loop.over) return error(QL_UNSUPPORTED, "loop.changed after the end of its loop is not supported");
    bool same = loop.changed.size() == call.args.size() && !call.args.empty();
    for (size_t i = 0; same && i < call.args.size(); ++i) {
        QL_ASSIGN(same, equal(loop.changed[i], call.args[i], call.meter));
    }
    QL_TRY(call.meter.charge(call.args.size(), sizeof(Value)));
    loop.changed = call.args;
    return Value(!same);
}

}  // namespace

const std::vector<Builtin> & methods_of(const Value & object) {
    static const std::vector<Builtin> loop_methods = {{"cycle", kAny, {}, cycle, true},
                                                      {"changed", kAny, {}, changed, true}};
    static const std::vector<Builtin> none;
    if (object.is_string()) return string_methods();
    if (object.is_dict()) return dict_methods();
    if (object.is_list()) return list_methods();
    return object.is_loop() ? loop_methods : none;
}

const Builtin * find_method(const Value & object, std::string_view name) {
    return find_builtin(methods_of(object), name);
}

/// Methods of a safe string that would escape their arguments.
Status refuse_if_safe(const Call & call) {
    if (!call.self.is_string() || !call.self.text().is_safe()) return {};
    for (const std::string_view name : {"replace", "join", "format"})
        if (call.name == name)
            return error(QL_UNSUPPORTED, "'%s' of a string that is `safe` is not supported", call.shown().c_str());
    return {};
}

Result<Value> call_method(Call call) {
    QL_TRY(refuse_if_safe(call));
    const auto & table = methods_of(call.self);
    return run_builtin(table, "method", std::move(call));
}

}  // namespace ql::jinja
