#include "tools/cli/command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

std::string number_text(int64_t v) {
    return std::to_string(v);
}
std::string number_text(double v) {
    return format("%g", v);
}

/// A check that parses the whole word as T and compares it with the limits.
template <typename T>
CLI::Validator limits(T low, T high) {
    const std::string range = number_text(low) + " to " + number_text(high);
    return CLI::Validator(
        [low, high, range](std::string & word) {
            T value{};
            if (!CLI::detail::lexical_cast(word, value)) return "'" + word + "' is not a number from " + range;
            if (value >= low && value <= high) return std::string();
            return word + " is out of range; " + range + " are possible";
        },
        range);
}

template <typename T>
CLI::Option * add_number(CLI::App & app, const std::string & names, T & value, T low, T high, const std::string & help,
                         const char * text) {
    return app.add_option(names, value, help)
        ->check(limits(low, high))
        ->option_text(text)
        ->take_last()
        ->default_str(number_text(value));
}

std::string join(const std::vector<std::string> & words, const char * between = ", ") {
    std::string text;
    for (const std::string & w : words) text += (text.empty() ? "" : between) + w;
    return text;
}

constexpr const char * kNotEmpty = "not empty";

bool is_one_of(const std::vector<std::string> & words, const std::string & word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// Of a flag with a value: --packing=no, or packing = "no" in a file.
std::string why_no_switch(const std::string & word) {
    bool value = false;
    return CLI::detail::lexical_cast(word, value) ? "" : "'" + word + "' is neither true nor false";
}

/// A text that is also a switch: `bare` where no text says more, "" where it is off. A file of options writes
/// "name = true" and "name = false".
CLI::Option * switch_with_text(CLI::Option * option, const std::string & bare) {
    return option->transform([bare](const std::string & word) {
        return word == "true" ? bare : word == "false" ? std::string() : word;
    });
}

}  // namespace

Option * Option::option_text(const std::string & text) {
    option_->option_text(text);
    return this;
}
Option * Option::default_str(const std::string & text) {
    option_->default_str(text);
    return this;
}
Option * Option::description(const std::string & text) {
    option_->description(text);
    return this;
}
Option * Option::required(bool needed) {
    option_->required(needed);
    return this;
}
Option * Option::check(std::function<std::string(const std::string &)> why_not) {
    option_->check(std::move(why_not));
    return this;
}
Option * Option::refuse_empty() {
    const auto fault = [](std::string & word) { return std::string(word.empty() ? "the text is empty" : ""); };
    option_->check(CLI::Validator(fault, "", kNotEmpty));
    return this;
}
Option * Option::may_be_empty() {
    option_->get_validator(kNotEmpty)->active(false);
    return this;
}
Option * Option::one_each_time() {
    option_->allow_extra_args(false);
    return this;
}
Option * Option::single() {
    option_->expected(1);
    return this;
}
Option * Option::hide() {
    option_->group("");
    return this;
}
size_t Option::count() const {
    return option_->count();
}

Command::Command(const std::string & name, const std::string & description)
    : own_(std::make_unique<CLI::App>(description, name)), app_(own_.get()) {}
Command::Command(CLI::App * app) : app_(app) {}
Command::~Command() = default;

Option * Command::keep(CLI::Option * option) {
    return options_.emplace_back(std::make_unique<Option>(option)).get();
}

Option * Command::number(const std::string & names, int64_t & value, int64_t low, int64_t high,
                         const std::string & help) {
    return keep(add_number(*app_, names, value, low, high, help, "N"));
}
Option * Command::number(const std::string & names, double & value, double low, double high, const std::string & help) {
    return keep(add_number(*app_, names, value, low, high, help, "X"));
}
Option * Command::numbers(const std::string & names, std::vector<int64_t> & values, int n, int64_t low, int64_t high,
                          const std::string & help) {
    return keep(app_->add_option(names, values, help)->delimiter(',')->expected(n)->check(CLI::Range(low, high)));
}
Option * Command::text(const std::string & names, std::string & value, const std::string & help) {
    return keep(app_->add_option(names, value, help)->take_last()->capture_default_str())->refuse_empty();
}
Option * Command::optional_text(const std::string & names, std::string & value, const std::string & bare,
                                const std::string & help) {
    CLI::Option * option = app_->add_option(names, value, help)->expected(0, 1)->take_last()->default_str(bare);
    return keep(switch_with_text(option, bare));
}
Option * Command::list(const std::string & names, std::string & value, const std::string & help) {
    const auto take = [&value](const std::vector<std::string> & all) { value = join(all, ","); };
    auto * option = app_->add_option_function<std::vector<std::string>>(names, take, help)->take_all();
    if (!value.empty()) option->default_str(value);
    return keep(option->allow_extra_args(false))->refuse_empty();
}
Option * Command::texts(const std::string & names, std::vector<std::string> & values, const std::string & help) {
    return keep(app_->add_option(names, values, help)->take_all())->refuse_empty();
}
Option * Command::choice(const std::string & name, std::string & value, const std::vector<std::string> & known,
                         const std::vector<std::string> & later, const std::string & help) {
    return text(name, value, help)->option_text(join(known, "|"))->check([known, later](const std::string & word) {
        if (is_one_of(known, word)) return std::string();
        return "'" + word + (is_one_of(later, word) ? "' is not supported yet; " : "' is unknown; ") + join(known) +
               (known.size() > 1 ? " are" : " is");
    });
}
Option * Command::flag(const std::string & names, bool & value, const std::string & help) {
    return keep(app_->add_flag(names, value, help))->check(why_no_switch);
}
Option * Command::flag(const std::string & names, std::string & value, const std::string & help) {
    const size_t begin = names.find('{'), end = names.find('}');
    return keep(switch_with_text(app_->add_flag(names, value, help), names.substr(begin + 1, end - begin - 1)));
}
Option * Command::flag(const std::string & names, std::function<void()> when_given, const std::string & help) {
    return keep(app_->add_flag_callback(names, std::move(when_given), help));
}

Command * Command::add_subcommand(const std::string & name, const std::string & help) {
    CLI::App * app = app_->add_subcommand(name, help);
    app->fallthrough();
    return subcommands_.emplace_back(std::unique_ptr<Command>(new Command(app))).get();
}
void Command::take_one_subcommand() {
    app_->require_subcommand(0, 1);
    app_->fallthrough();
}
bool Command::given() const {
    return app_->parsed();
}
size_t Command::count(const std::string & name) const {
    return app_->count(name);
}

}  // namespace ql::cli
