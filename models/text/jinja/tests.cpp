// Tests: what may follow `is`.
#include <cmath>

#include "models/text/jinja/ops.hpp"
#include "models/text/jinja/print.hpp"

namespace ql::jinja {

namespace {

Result<Value> compared(const Call & call, std::string_view op) {
    QL_ASSIGN(const bool holds, compare(op, call.self, call.args[0], call.meter));
    return Value(holds);
}

Result<Value> remainder_is(const Call & call, const Value & by, int64_t wanted) {
    QL_ASSIGN(const Value rest, binary("%", call.self, by, call.meter));
    return Value(rest.number() == static_cast<double>(wanted));
}

/// str.isupper() and islower(): at least one letter, none of the other case.
Result<Value> has_case(const Call & call, Case wanted) {
    QL_ASSIGN(const TextPtr text, to_text(call.self, call.meter));
    QL_ASSIGN(const Value same, change_case(*text, wanted, call.meter));
    QL_ASSIGN(const Value other, change_case(*text, wanted == Case::upper ? Case::lower : Case::upper, call.meter));
    return Value(text->bytes() == same.text().bytes() && text->bytes() != other.text().bytes());
}

bool is_sequence(const Value & v) {
    return v.is_string() || v.is_list() || v.is_dict() || v.is_undefined();
}

}  // namespace

const std::vector<Builtin> & tests() {
    using C = const Call &;
    using type::kAny, type::kNumber;
    static const std::vector<Parameter> other = {{"other", kAny, true}};
    static const std::vector<Builtin> table = {
        {"defined", kAny, {}, [](C c) -> Result<Value> { return Value(!c.self.is_undefined()); }},
        {"undefined", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is_undefined()); }},
        {"none", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is_none()); }},
        {"string", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is_string()); }},
        {"mapping", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is_dict()); }},
        {"sequence", kAny, {}, [](C c) -> Result<Value> { return Value(is_sequence(c.self)); }},
        {"iterable", kAny, {}, [](C c) -> Result<Value> { return Value(is_sequence(c.self) || c.self.is_loop()); }},
        {"number", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is_number()); }},
        {"integer", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is<int64_t>()); }},
        {"float", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is<double>()); }},
        {"boolean", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is_bool()); }},
        {"true", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is_bool() && c.self.truthy()); }},
        {"false", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is_bool() && !c.self.truthy()); }},
        {"callable", kAny, {}, [](C c) -> Result<Value> { return Value(c.self.is_callable()); }},
        {"upper", kAny, {}, [](C c) { return has_case(c, Case::upper); }},
        {"lower", kAny, {}, [](C c) { return has_case(c, Case::lower); }},
        {"odd", kNumber, {}, [](C c) { return remainder_is(c, Value(int64_t{2}), 1); }},
        {"even", kNumber, {}, [](C c) { return remainder_is(c, Value(int64_t{2}), 0); }},
        {"divisibleby", kNumber, {{"num", kNumber, true}}, [](C c) { return remainder_is(c, c.args[0], 0); }},
        {"in", kAny, {{"seq", kAny, true}}, [](C c) { return compared(c, "in"); }},
        {"eq", kAny, other, [](C c) { return compared(c, "=="); }},
        {"equalto", kAny, other, [](C c) { return compared(c, "=="); }},
        {"==", kAny, other, [](C c) { return compared(c, "=="); }},
        {"ne", kAny, other, [](C c) { return compared(c, "!="); }},
        {"!=", kAny, other, [](C c) { return compared(c, "!="); }},
        {"lt", kAny, other, [](C c) { return compared(c, "<"); }},
        {"lessthan", kAny, other, [](C c) { return compared(c, "<"); }},
        {"<", kAny, other, [](C c) { return compared(c, "<"); }},
        {"le", kAny, other, [](C c) { return compared(c, "<="); }},
        {"<=", kAny, other, [](C c) { return compared(c, "<="); }},
        {"gt", kAny, other, [](C c) { return compared(c, ">"); }},
        {"greaterthan", kAny, other, [](C c) { return compared(c, ">"); }},
        {">", kAny, other, [](C c) { return compared(c, ">"); }},
        {"ge", kAny, other, [](C c) { return compared(c, ">="); }},
        {">=", kAny, other, [](C c) { return compared(c, ">="); }},
    };
    return table;
}

Result<bool> apply_test(Call call) {
    QL_ASSIGN(const Value holds, run_builtin(tests(), "test", std::move(call)));
    return holds.truthy();
}

}  // namespace ql::jinja
