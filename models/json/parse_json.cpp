#include "models/json/parse_json.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include "ql/numbers.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// An iterator over the text that records how far the parser has read, which the parser's events do not tell.
class Cursor {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char *;
    using reference = const char &;

    Cursor(const char * at, const char ** reached) : at_(at), reached_(reached) {}
    reference operator*() const { return *at_; }
    Cursor & operator++() { return *reached_ = ++at_, *this; }
    bool operator==(const Cursor & other) const { return at_ == other.at_; }
    bool operator!=(const Cursor & other) const { return at_ != other.at_; }

  private:
    const char * at_;
    const char ** reached_;
};

/// The JSON library's message, "[kind] parse error at its place: what" or "[kind] what", without kind and place, and
/// shortened, as it repeats what was read.
std::string reason(const std::string & message) {
    size_t from = message.find("] ") + 2;
    if (message.compare(from, 11, "parse error") == 0) from = message.find(": ", from) + 2;
    return message.substr(from, 160);
}

/// Builds the value from the parser's events. A container is collected apart and goes into its parent when it ends: no
/// pointer into a growing container is kept, and an object's members are moved once (an ordered_json that grows copies
/// all that it holds).
class Builder {
  public:
    using number_integer_t = Json::number_integer_t;
    using number_unsigned_t = Json::number_unsigned_t;
    using number_float_t = Json::number_float_t;
    using string_t = Json::string_t;
    using binary_t = Json::binary_t;

    Builder(std::string_view text, const JsonLimits & limits) : text_(text), limits_(limits), reached_(text.data()) {}

    Status parse(int64_t first_line, Json & value) {
        const char * const end = text_.data() + text_.size();
        if (Json::sax_parse(Cursor(text_.data(), &reached_), Cursor(end, &reached_), this))
            return value = std::move(root_), Status();
        const std::string_view read(text_.data(), static_cast<size_t>(reached_ - text_.data()));
        const auto line = first_line + std::count(read.begin(), read.end(), '\n');
        const size_t byte = read.size() - (read.rfind('\n') + 1);  // npos + 1 is 0
        return error(QL_BAD_FILE, "line %lld, byte %zu: %s", static_cast<long long>(line), byte, what_.c_str());
    }

    // The parser's events; false stops it.
    bool null() { return add(nullptr); }
    bool boolean(bool value) { return add(value); }
    bool number_integer(number_integer_t value) { return add(value); }
    bool number_unsigned(number_unsigned_t value) { return add(value); }
    bool number_float(number_float_t value, const string_t &) { return add(value); }
    bool string(string_t & value) { return add(std::move(value)); }
    bool binary(binary_t &) { return stop("binary data"); }  // of other formats than JSON
    bool key(string_t & key) { return open_.back().key = std::move(key), true; }
    bool start_object(size_t) { return open(false); }
    bool start_array(size_t) { return open(true); }
    bool end_array() {
        Json::array_t items = std::move(open_.back().items);
        open_.pop_back();
        return add(std::move(items));
    }
    bool end_object() {
        Members members = std::move(open_.back().members);
        open_.pop_back();
        if (const std::string * twice = key_given_twice(members))
            return stop(format("\"%.80s\" is there twice in the object that ends here", twice->c_str()));
        Json::object_t object;
        object.reserve(members.size());
        for (auto & [key, value] : members) object.emplace_back(std::move(key), std::move(value));
        return add(std::move(object));
    }
    bool parse_error(size_t, const std::string &, const nlohmann::detail::exception & e) {
        const char * const last = reached_ == text_.data() ? reached_ : reached_ - 1;
        for (const char * name : {"NaN", "Infinity"})
            if (text_.substr(static_cast<size_t>(last - text_.data())).starts_with(name))
                return stop(format("%s is no JSON; write null", name));
        return stop(reason(e.what()));
    }

  private:
    using Members = std::vector<std::pair<std::string, Json>>;
    struct Open {
        bool is_array = false;
        Json::array_t items;
        Members members;
        std::string key;  // of the member that comes next
    };

    bool stop(std::string what) {
        what_ = std::move(what);
        return false;
    }

    bool open(bool is_array) {
        if (open_.size() == limits_.depth)
            return stop(format("nested too deep: more than %zu arrays and objects in each other", limits_.depth));
        open_.emplace_back();
        open_.back().is_array = is_array;
        return true;
    }

    bool add(Json value) {
        if (++n_values_ > limits_.values) return stop(format("more than %zu values", limits_.values));
        if (open_.empty())
            root_ = std::move(value);
        else if (open_.back().is_array)
            open_.back().items.push_back(std::move(value));
        else
            open_.back().members.emplace_back(std::move(open_.back().key), std::move(value));
        return true;
    }

    static const std::string * key_given_twice(const Members & members) {
        std::vector<const std::string *> keys;
        keys.reserve(members.size());
        for (const auto & member : members) keys.push_back(&member.first);
        std::sort(keys.begin(), keys.end(), [](const auto * a, const auto * b) { return *a < *b; });
        const auto found =
            std::adjacent_find(keys.begin(), keys.end(), [](const auto * a, const auto * b) { return *a == *b; });
        return found == keys.end() ? nullptr : *found;
    }

    std::string_view text_;
    const JsonLimits & limits_;
    const char * reached_;
    std::vector<Open> open_;
    Json root_;
    size_t n_values_ = 0;
    std::string what_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, int64_t first_line, const JsonLimits & limits) {
    if (text.size() > limits.bytes)
        return error(QL_BAD_FILE, "line %lld: JSON of %zu bytes, at most %zu are read",
                     static_cast<long long>(first_line), text.size(), limits.bytes);
    const DecimalPoint point;  // the JSON library reads numbers with strtod
    Json value;
    QL_TRY(Builder(text, limits).parse(first_line, value));
    return value;
}

Result<Json> read_json_object(const std::string & path, const JsonLimits & limits) {
    QL_ASSIGN(const FileBytes bytes, read_file(path, limits.bytes));
    auto value = parse_json(bytes.view(), 1, limits);
    if (!value.ok()) return error(value.code(), "%s: %s", path.c_str(), value.message().c_str());
    if (!value->is_object()) return error(QL_BAD_FILE, "%s: is no JSON object", path.c_str());
    return value;
}

}  // namespace ql
