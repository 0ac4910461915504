// What expressions can do with values: operators, attributes, items, slices, iteration, and the tables of filters,
// tests, methods and functions. Messages here carry no line; the evaluator adds it.
#pragma once
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "models/text/jinja_value.hpp"

namespace ql::jinja {

/// A call of a filter, test, method or function with its arguments.
struct Call {
    std::string name;
    Value self;  // what is filtered or tested, or the method's object
    std::vector<Value> args;
    std::vector<std::pair<std::string, Value>> named;
    Meter & meter;

    /// Puts the arguments in the order of these parameters; one too many, or an unknown name, is an error.
    Status bind(const std::vector<const char *> & parameters);
    bool has(size_t i) const { return i < args.size() && !args[i].is_undefined() && !args[i].is_none(); }
    Result<int64_t> integer(size_t i, int64_t otherwise) const;
    /// The text of a string argument.
    Result<Text> text(size_t i, const char * otherwise) const;
};

/// A row of a table: the parameters' names in order ("..." at the front for any number of arguments) and the work.
struct Builtin {
    const char * name;
    std::vector<const char *> parameters;
    Result<Value> (*run)(const Call & call);
};
/// Looks a name up and runs it; `what` is "filter", "function" ... for the message.
Result<Value> run_builtin(const std::vector<Builtin> & table, const char * what, Call call);
bool has_builtin(const std::vector<Builtin> & table, std::string_view name);

Result<Value> apply_filter(Call call);
Result<bool> apply_test(Call call);
Result<Value> call_method(Call call);
Result<Value> call_function(Call call);
/// The names of the functions that every template can call.
const std::vector<Builtin> & functions();
const std::vector<Builtin> & filters_of_lists();  // a second part of the table of filters
/// Python's method, known to this evaluator.
bool has_method(const Value & object, std::string_view name);

Result<Value> binary(const std::string & op, const Value & a, const Value & b, Meter & meter);
Result<bool> compare(const std::string & op, const Value & a, const Value & b, Meter & meter);
/// a < b for numbers, strings and lists.
Result<bool> less(const Value & a, const Value & b, Meter & meter);
Result<bool> contains(const Value & container, const Value & item, Meter & meter);
Result<Value> get_attribute(const Value & object, const std::string & name);
Result<Value> get_item(const Value & object, const Value & key, Meter & meter);
/// object[begin:end:step] with absent (undefined or none) parts.
Result<Value> get_slice(const Value & object, const Value & begin, const Value & end, const Value & step,
                        Meter & meter);
/// What a loop over the value sees.
Result<std::shared_ptr<const List>> iterate(const Value & value, Meter & meter);
/// A list of items, charged to the meter; an error if it is nested too deeply.
Result<Value> make_list(std::vector<Value> items, Meter & meter, bool is_tuple = false);
Result<Value> make_text(Text text, Meter & meter);
/// text.replace(old, with), at most `count` times (< 0: all).
Result<Text> replace(const Text & text, const Text & old, const Text & with, int64_t count, Meter & meter);
/// text with white space, or any of the characters, taken off its ends.
Text strip(const Text & text, const Value & characters, bool left, bool right);
/// Upper and lower case of ASCII; another letter is an error rather than a silent difference.
/// title: every run of letters, as Python's method; words: as Jinja's filter, which cuts at white space and -({[< only.
enum class Case { upper, lower, title, words, capitalize };
Result<Text> change_case(const Text & text, Case to);
/// The date as strftime would print it; `date` is "YYYY-MM-DD".
Result<std::string> format_date(const std::string & date, const std::string & format);

}  // namespace ql::jinja
