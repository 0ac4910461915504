// Calls of built-in things: filters, tests, methods and functions are rows of tables. A row says which arguments there
// are and of which type; binding checks them, so that the work behind a row sees nothing else.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/text/jinja/value.hpp"

namespace ql::jinja {

/// Sets of types: bits of Value::type_bit().
using Types = unsigned;
namespace type {
inline constexpr Types kUndefined = 1, kNone = 2, kBoolean = 4, kInteger = 8 | kBoolean, kFloat = 16, kText = 32,
                       kList = 64, kDict = 128, kNumber = kInteger | kFloat, kAny = ~0u;
}
/// "a string or a list" for a message. The type none is left out, as it would tell the reader nothing.
std::string describe_types(Types types);

struct Parameter {
    const char * name;
    Types types = type::kAny;
    bool required = false;
    bool by_name = true;  // may be given as name=value
};
/// A parameter of a Python method that takes this parameter by position only.
constexpr Parameter placed(const char * name, Types types) {
    return {name, types, true, false};
}
constexpr Parameter placed_or_not(const char * name, Types types) {
    return {name, types, false, false};
}

/// A call with its arguments. Names live in the tables, in the tree, or in a string that an argument holds.
struct Call {
    std::string_view name;
    Value self;  // what is filtered or tested, or the method's object
    std::vector<Value> args;
    std::vector<std::pair<std::string_view, Value>> named;
    Meter & meter;

    /// The name as messages write it.
    std::string shown() const { return Undefined::of(name).name; }
    bool given(size_t i) const { return i < is_given.size() && is_given[i]; }
    /// Given, and not none.
    bool has(size_t i) const { return given(i) && !args[i].is_none(); }
    int64_t integer(size_t i, int64_t otherwise) const { return has(i) ? args[i].integer() : otherwise; }

    std::vector<bool> is_given;  // by bind()
};

struct Builtin {
    const char * name;
    Types self;
    std::vector<Parameter> parameters;
    Result<Value> (*run)(const Call & call);
    bool variadic = false;  // takes any arguments, looks at them itself
};

/// Puts the arguments in the order of the parameters and checks their types and number.
Status bind(Call & call, const std::vector<Parameter> & parameters);
/// Looks a name up and runs it; `what` is "filter", "function" ... for the message.
Result<Value> run_builtin(const std::vector<Builtin> & table, const char * what, Call call);
const Builtin * find_builtin(const std::vector<Builtin> & table, std::string_view name);

Result<Value> apply_filter(Call call);
Result<bool> apply_test(Call call);
Result<Value> call_method(Call call);
Result<Value> call_function(Call call);
/// Python's method of that name; null where the object has none that is known.
const Builtin * find_method(const Value & object, std::string_view name);

// The tables, for apply_* and for the tests that go through them.
const std::vector<Builtin> & functions();
const std::vector<Builtin> & filters();
const std::vector<Builtin> & filters_of_lists();  // a second part of the table of filters
const std::vector<Builtin> & tests();
const std::vector<Builtin> & methods_of(const Value & object);

/// A list that grows: each item is charged before it is there.
class ListMaker {
  public:
    explicit ListMaker(Meter & meter) : meter_(meter) {}
    Status add(Value item);
    size_t size() const { return items_.size(); }
    /// An error if it is nested too deeply.
    Result<Value> list() { return finish(false); }
    Result<Value> tuple() { return finish(true); }
    Result<Value> like(const List & model) { return finish(model.is_tuple); }

  private:
    Result<Value> finish(bool is_tuple);
    Meter & meter_;
    std::vector<Value> items_;
};

/// text[begin, end) as a value of its own.
Result<Value> make_part(const Text & text, size_t begin, size_t end, Meter & meter);
Result<Value> make_text(std::string_view bytes, Meter & meter);
/// A dict's key: a text or a whole number.
Result<Value> make_key(std::string_view key, Meter & meter);
/// What a dict holds under a text or a whole number; null where it holds nothing.
Result<const Value *> find_key(const Dict & dict, const Value & key, Meter & meter);
/// `out` + text[begin, end).
Status append(Text & out, const Text & text, size_t begin, size_t end, Meter & meter);
Status append(Text & out, const Text & text, Meter & meter);

}  // namespace ql::jinja
