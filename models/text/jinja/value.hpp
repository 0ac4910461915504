// The values of a template: Python's, as far as Jinja shows them. Lists, dicts and strings are immutable once made (the
// sandbox that chat templates are written for forbids changing them), so copies share them; only a namespace changes.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "models/text/jinja/meter.hpp"
#include "models/text/jinja/text.hpp"
#include "ql/status.hpp"

namespace ql::jinja {

struct Stmt;
class Value;
using TextPtr = std::shared_ptr<const Text>;

struct Undefined {
    std::string name;  // what was looked up, for the message
    /// Of any length: a message shows its beginning.
    static Undefined of(std::string_view name);
};
struct None {};

struct List {
    std::vector<Value> items;
    bool is_tuple = false;
    int depth = 1;
};

/// A whole number as a dict's key: digits behind a byte that no text in UTF-8 has.
constexpr char kNumberKey = '\xFF';
std::string number_key(int64_t number);
inline bool is_number_key(std::string_view key) {
    return !key.empty() && key[0] == kNumberKey;
}
/// A key's digits, or its text.
inline std::string_view key_text(std::string_view key) {
    return is_number_key(key) ? key.substr(1) : key;
}

/// Names and values in order of insertion. Few are found by looking at each, many by an index.
class Dict {
  public:
    using Item = std::pair<std::string, Value>;
    const std::vector<Item> & items() const { return items_; }
    size_t size() const;
    bool empty() const;
    int depth() const { return depth_; }
    const Value * find(std::string_view key) const;
    void set(std::string key, Value value);
    void clear();

  private:
    size_t position(std::string_view key) const;  // size() if absent
    std::vector<Item> items_;
    std::map<std::string, size_t, std::less<>> index_;  // empty while there are few
    int depth_ = 1;
};

struct Namespace {
    Dict attributes;
};

/// `loop` inside a {% for %}.
struct Loop {
    std::shared_ptr<const List> items;
    size_t index = 0;
    int depth = 1;
    bool over = false;
    std::vector<Value> changed;  // the arguments of the last loop.changed()
};

/// Something that can be called: a function of the language, a {% macro %}, or a method with its object.
struct Callable;

class Value {
  public:
    using Storage = std::variant<Undefined, None, bool, int64_t, double, TextPtr, std::shared_ptr<const List>,
                                 std::shared_ptr<const Dict>, std::shared_ptr<Namespace>, std::shared_ptr<Loop>,
                                 std::shared_ptr<const Callable>>;

    Value() = default;  // undefined
    Value(None) : storage_(None{}) {}
    Value(Undefined u) : storage_(std::move(u)) {}
    Value(bool b) : storage_(b) {}
    Value(int64_t i) : storage_(i) {}
    Value(double d) : storage_(d) {}
    Value(Text text) : storage_(std::make_shared<const Text>(std::move(text))) {}
    Value(TextPtr text) : storage_(std::move(text)) {}
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
    bool is_string() const { return is<TextPtr>(); }
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
    const Text & text() const { return *std::get<TextPtr>(storage_); }
    const TextPtr & text_ptr() const { return std::get<TextPtr>(storage_); }
    const List & list() const { return *std::get<std::shared_ptr<const List>>(storage_); }
    const std::shared_ptr<const List> & list_ptr() const { return std::get<std::shared_ptr<const List>>(storage_); }
    const Dict & dict() const { return *std::get<std::shared_ptr<const Dict>>(storage_); }
    Namespace & ns() const { return *std::get<std::shared_ptr<Namespace>>(storage_); }
    const std::shared_ptr<Namespace> & ns_ptr() const { return std::get<std::shared_ptr<Namespace>>(storage_); }
    Loop & loop() const { return *std::get<std::shared_ptr<Loop>>(storage_); }
    const Callable & callable() const { return *std::get<std::shared_ptr<const Callable>>(storage_); }
    const std::string & undefined_name() const { return std::get<Undefined>(storage_).name; }

    bool truthy() const;
    /// Which alternative of Storage it holds, as a bit; type_name() takes its number.
    unsigned type_bit() const { return 1u << storage_.index(); }
    /// "a string", "a list" ... for messages.
    const char * type_name() const { return type_name(storage_.index()); }
    static const char * type_name(size_t alternative);
    /// How deeply lists and dicts are nested in it.
    int depth() const;

  private:
    Storage storage_;
};

// Here, as a pair's size is known only where Value is.
inline size_t Dict::size() const {
    return items_.size();
}
inline bool Dict::empty() const {
    return items_.empty();
}

struct Callable {
    enum class Kind { function, macro, method } kind = Kind::function;
    std::string_view name;  // in the tables of built-in things, or in the tree
    const Stmt * macro = nullptr;
    Value self;
};

/// The most levels a list of lists may have: they are printed, compared and freed by recursion.
inline constexpr int kMaxNesting = 100;

Result<bool> equal(const Value & a, const Value & b, Meter & meter);

}  // namespace ql::jinja
