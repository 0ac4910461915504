// The values of a template: Python's, as far as Jinja shows them. Lists, dicts and strings are immutable once made (the
// sandbox that chat templates are written for forbids changing them), so copies share them; only a namespace changes.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/text/jinja_text.hpp"
#include "ql/status.hpp"

namespace ql::jinja {

struct Stmt;
class Value;

/// What one rendering may use. A template is a stranger's program: it must not run for ever or fill the memory.
struct Meter {
    int64_t steps_left = 4'000'000;           // expressions and statements evaluated
    int64_t bytes_left = int64_t{256} << 20;  // bytes of all strings and lists made
    int depth_left = 400;                     // nested evaluations

    Status step(int64_t n = 1);
    Status charge(size_t bytes);
};

struct Undefined {
    std::string name;  // what was looked up, for the message
};
struct None {};

struct List {
    std::vector<Value> items;
    bool is_tuple = false;
    int depth = 1;
};

struct Dict {
    std::vector<std::pair<std::string, Value>> items;  // in order of insertion
    int depth = 1;
    const Value * find(std::string_view key) const;
    void set(std::string key, Value value);
};

struct Namespace {
    Dict attributes;
};

/// `loop` inside a {% for %}.
struct Loop {
    std::shared_ptr<const List> items;
    size_t index = 0;
    int depth = 1;
    std::vector<Value> changed;  // the arguments of the last loop.changed()
};

/// Something that can be called: a function of the language, a {% macro %}, or a method with its object.
struct Callable;

class Value {
  public:
    using Storage = std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const Text>,
                                 std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
                                 std::shared_ptr<Loop>, std::shared_ptr<const Callable>>;

    Value() = default;  // undefined
    Value(None) : storage_(None{}) {}
    Value(Undefined u) : storage_(std::move(u)) {}
    Value(bool b) : storage_(b) {}
    Value(int64_t i) : storage_(i) {}
    Value(double d) : storage_(d) {}
    Value(Text text) : storage_(std::make_shared<const Text>(std::move(text))) {}
    Value(std::string text) : Value(Text(std::move(text))) {}
    Value(const char * text) : Value(Text(text)) {}
    Value(std::shared_ptr<Namespace> n) : storage_(std::move(n)) {}
    Value(std::shared_ptr<Loop> l) : storage_(std::move(l)) {}
    Value(std::shared_ptr<const List> l) : storage_(std::move(l)) {}
    Value(std::shared_ptr<const Dict> d) : storage_(std::move(d)) {}
    Value(std::shared_ptr<const Callable> c) : storage_(std::move(c)) {}
    static Value list(std::vector<Value> items, bool is_tuple = false);
    static Value dict(Dict dict);

    template <typename T>
    bool is() const {
        return std::holds_alternative<T>(storage_);
    }
    bool is_undefined() const { return is<Undefined>(); }
    bool is_none() const { return is<None>(); }
    bool is_bool() const { return is<bool>(); }
    bool is_string() const { return is<std::shared_ptr<const Text>>(); }
    bool is_list() const { return is<std::shared_ptr<const List>>(); }
    bool is_dict() const { return is<std::shared_ptr<const Dict>>(); }
    bool is_namespace() const { return is<std::shared_ptr<Namespace>>(); }
    bool is_callable() const { return is<std::shared_ptr<const Callable>>(); }
    bool is_loop() const { return is<std::shared_ptr<Loop>>(); }
    /// int or bool, as in Python
    bool is_integer() const { return is<int64_t>() || is_bool(); }
    bool is_number() const { return is_integer() || is<double>(); }

    int64_t integer() const { return is_bool() ? std::get<bool>(storage_) : std::get<int64_t>(storage_); }
    double number() const { return is<double>() ? std::get<double>(storage_) : static_cast<double>(integer()); }
    const Text & text() const { return *std::get<std::shared_ptr<const Text>>(storage_); }
    const List & list() const { return *std::get<std::shared_ptr<const List>>(storage_); }
    const std::shared_ptr<const List> & list_ptr() const { return std::get<std::shared_ptr<const List>>(storage_); }
    const Dict & dict() const { return *std::get<std::shared_ptr<const Dict>>(storage_); }
    Namespace & ns() const { return *std::get<std::shared_ptr<Namespace>>(storage_); }
    const std::shared_ptr<Namespace> & ns_ptr() const { return std::get<std::shared_ptr<Namespace>>(storage_); }
    Loop & loop() const { return *std::get<std::shared_ptr<Loop>>(storage_); }
    const Callable & callable() const { return *std::get<std::shared_ptr<const Callable>>(storage_); }
    const std::string & undefined_name() const { return std::get<Undefined>(storage_).name; }

    bool truthy() const;
    /// "a string", "a list" ... for messages.
    const char * type_name() const;
    /// How deeply lists and dicts are nested in it.
    int depth() const;

  private:
    Storage storage_;
};

struct Callable {
    enum class Kind { function, macro, method } kind = Kind::function;
    std::string name;
    const Stmt * macro = nullptr;
    Value self;
};

/// The most levels a list of lists may have; a deeper one would overflow the stack when printed or freed.
inline constexpr int kMaxNesting = 100;

/// Python's str(), what {{ x }} prints.
Result<Text> to_text(const Value & value, Meter & meter);
/// Python's json.dumps(); indent < 0 for one line.
struct JsonStyle {
    int indent = -1;
    bool ensure_ascii = false, sort_keys = false;
    std::string item_separator = ", ", key_separator = ": ";
};
Result<Text> to_json(const Value & value, const JsonStyle & style, Meter & meter);
Result<bool> equal(const Value & a, const Value & b, Meter & meter);
/// Python's repr() of a float: the shortest digits that read back the same.
std::string float_repr(double value);

}  // namespace ql::jinja
