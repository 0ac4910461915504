// Tests: what may follow `is`.
#include "models/text/jinja_ops.hpp"

namespace ql::jinja {

namespace {

Result<Value> compared(const Call & call, const char * op) {
    QL_ASSIGN(const bool holds, compare(op, call.self, call.args[0], call.meter));
    return Value(holds);
}

Result<Value> divisible(const Call & call, int64_t by, int64_t remainder) {
    if (!call.self.is_integer() || by == 0)
        return error(QL_INVALID_ARGUMENT, "%s needs integers, not 0", call.name.c_str());
    return Value((by == -1 ? 0 : call.self.integer() % by) == remainder);
}

Result<Value> divisibleby(const Call & call) {
    QL_ASSIGN(const int64_t by, call.integer(0, 0));
    return divisible(call, by, 0);
}

Result<Value> odd(const Call & call) {
    QL_ASSIGN(const Value even, divisible(call, 2, 0));
    return Value(!even.truthy());
}

/// str.isupper() and islower(): at least one letter, none of the other case.
Result<Value> has_case(const Call & call, Case wanted) {
    QL_ASSIGN(const Text text, to_text(call.self, call.meter));
    QL_ASSIGN(const Text same, change_case(text, wanted));
    QL_ASSIGN(const Text other, change_case(text, wanted == Case::upper ? Case::lower : Case::upper));
    return Value(text.bytes() == same.bytes() && text.bytes() != other.bytes());
}

bool is_sequence(const Value & v) {
    return v.is_string() || v.is_list() || v.is_dict() || v.is_undefined();
}

const std::vector<Builtin> & tests() {
    using C = const Call &;
    static const std::vector<Builtin> table = {
        {"defined", {}, [](C c) -> Result<Value> { return Value(!c.self.is_undefined()); }},
        {"undefined", {}, [](C c) -> Result<Value> { return Value(c.self.is_undefined()); }},
        {"none", {}, [](C c) -> Result<Value> { return Value(c.self.is_none()); }},
        {"string", {}, [](C c) -> Result<Value> { return Value(c.self.is_string()); }},
        {"mapping", {}, [](C c) -> Result<Value> { return Value(c.self.is_dict()); }},
        {"sequence", {}, [](C c) -> Result<Value> { return Value(is_sequence(c.self)); }},
        {"iterable", {}, [](C c) -> Result<Value> { return Value(is_sequence(c.self) || c.self.is_loop()); }},
        {"number", {}, [](C c) -> Result<Value> { return Value(c.self.is_number()); }},
        {"integer", {}, [](C c) -> Result<Value> { return Value(c.self.is<int64_t>()); }},
        {"float", {}, [](C c) -> Result<Value> { return Value(c.self.is<double>()); }},
        {"boolean", {}, [](C c) -> Result<Value> { return Value(c.self.is_bool()); }},
        {"true", {}, [](C c) -> Result<Value> { return Value(c.self.is_bool() && c.self.truthy()); }},
        {"false", {}, [](C c) -> Result<Value> { return Value(c.self.is_bool() && !c.self.truthy()); }},
        {"callable", {}, [](C c) -> Result<Value> { return Value(c.self.is_callable()); }},
        {"upper", {}, [](C c) { return has_case(c, Case::upper); }},
        {"lower", {}, [](C c) { return has_case(c, Case::lower); }},
        {"odd", {}, odd},
        {"even", {}, [](C c) { return divisible(c, 2, 0); }},
        {"divisibleby", {"num"}, divisibleby},
        {"in", {"seq"}, [](C c) { return compared(c, "in"); }},
        {"eq", {"other"}, [](C c) { return compared(c, "=="); }},
        {"equalto", {"other"}, [](C c) { return compared(c, "=="); }},
        {"==", {"other"}, [](C c) { return compared(c, "=="); }},
        {"ne", {"other"}, [](C c) { return compared(c, "!="); }},
        {"!=", {"other"}, [](C c) { return compared(c, "!="); }},
        {"lt", {"other"}, [](C c) { return compared(c, "<"); }},
        {"lessthan", {"other"}, [](C c) { return compared(c, "<"); }},
        {"<", {"other"}, [](C c) { return compared(c, "<"); }},
        {"le", {"other"}, [](C c) { return compared(c, "<="); }},
        {"<=", {"other"}, [](C c) { return compared(c, "<="); }},
        {"gt", {"other"}, [](C c) { return compared(c, ">"); }},
        {"greaterthan", {"other"}, [](C c) { return compared(c, ">"); }},
        {">", {"other"}, [](C c) { return compared(c, ">"); }},
        {"ge", {"other"}, [](C c) { return compared(c, ">="); }},
        {">=", {"other"}, [](C c) { return compared(c, ">="); }},
    };
    return table;
}

}  // namespace

Result<bool> apply_test(Call call) {
    QL_ASSIGN(const Value holds, run_builtin(tests(), "test", std::move(call)));
    return holds.truthy();
}

}  // namespace ql::jinja
