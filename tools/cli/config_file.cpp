#include "tools/cli/config_file.hpp"

#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <istream>
#include <sstream>
#include <vector>

#include "ql/status.hpp"

namespace ql::cli {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 10;  // all options of a program fill a hundredth of it

/// What toml++ says of a mistake, and what it is to somebody who has not read the standard.
constexpr struct {
    const char *says, *means;
} kMistakes[] = {
    {"could not determine value type",
     "the value is neither a number nor true or false; a text stands in quotes, as in optim = \"adamw\""},
    {"expected a comment or whitespace", "text follows the value; each setting has a line, a comment begins with #"},
    {"unescaped control characters", "a quote does not end on its line"},
    {"string: encountered end-of-file", "a quote does not end"},
    {"array: encountered end-of-file", "a list does not end"},
    {"expected '='", "no KEY = VALUE; what is switched on is written as KEY = true"},
};

std::string meaning_of(const std::string & description) {
    const std::string twice = "cannot redefine existing";
    const size_t begin = description.find('\''), end = description.rfind('\'');
    if (description.find(twice) != description.npos && begin < end)
        return description.substr(begin, end + 1 - begin) + " is given twice";
    for (const auto & mistake : kMistakes)
        if (description.find(mistake.says) != description.npos) return mistake.means;
    return description;
}

CLI::ConfigError config_error(int64_t line, const std::string & what) {
    return CLI::ConfigError(":" + std::to_string(line) + ": " + what);
}

int64_t line_of(const toml::key & key) {
    return key.source().begin.line;
}

/// As it would stand on the command line.
std::string word_of(const toml::node & node) {
    if (const auto * text = node.as_string()) return text->get();
    if (const auto * flag = node.as_boolean()) return flag->get() ? "true" : "false";
    if (const auto * whole = node.as_integer()) return std::to_string(whole->get());
    if (const auto * real = node.as_floating_point()) {
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, real->get());
        return {digits, end.ptr};
    }
    std::ostringstream day;
    if (const auto * date = node.as_date()) day << date->get();
    return day.str();
}

class ConfigReader : public CLI::ConfigTOML {
  public:
    explicit ConfigReader(ConfigLines & lines) : lines_(lines) {}

    std::vector<CLI::ConfigItem> from_config(std::istream & input) const override {
        std::string text(kMaxBytes + 1, '\0');
        input.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<size_t>(input.gcount()));
        if (text.size() > kMaxBytes)
            throw CLI::ConfigError(": more than " + std::to_string(kMaxBytes) + " bytes; is it an options file?");
        std::vector<CLI::ConfigItem> items;
        try {
            add_all(toml::parse(std::string_view(text)), {}, items);
        } catch (const toml::parse_error & e) {
            throw config_error(e.source().begin.line, meaning_of(std::string(e.description())));
        }
        return items;
    }

  private:
    /// In the order of the file. parents: the section that they are in.
    void add_all(const toml::table & table, const std::vector<std::string> & parents,
                 std::vector<CLI::ConfigItem> & items) const {
        std::vector<std::pair<const toml::key *, const toml::node *>> sorted;
        for (const auto & [key, value] : table) sorted.emplace_back(&key, &value);
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const auto & a, const auto & b) { return line_of(*a.first) < line_of(*b.first); });
        for (const auto & [key, value] : sorted) {
            lines_.emplace(key->str(), line_of(*key));
            if (const toml::table * section = value->as_table())
                add_section(*key, *section, parents, items);
            else if (std::vector<std::string> words = words_of(*key, *value); !words.empty())
                items.push_back({parents, std::string(key->str()), std::move(words)});
        }
    }

    /// CLI11's marks of a command's options.
    void add_section(const toml::key & key, const toml::table & section, const std::vector<std::string> & parents,
                     std::vector<CLI::ConfigItem> & items) const {
        const std::string name(key.str());
        if (!parents.empty()) throw config_error(line_of(key), "'" + name + "' is a section within a section");
        items.push_back({{name}, "++", {}});
        add_all(section, {name}, items);
        items.push_back({{name}, "--", {}});
    }

    static std::vector<std::string> words_of(const toml::key & key, const toml::node & value) {
        const auto word = [&](const toml::node & node) {
            if (!node.is_value() || node.is_time() || node.is_date_time())
                throw config_error(line_of(key), "'" + std::string(key.str()) +
                                                     "' is no text, number, true, false, nor a list of these");
            return word_of(node);
        };
        if (!value.is_array()) return {word(value)};
        std::vector<std::string> words;
        for (const toml::node & node : *value.as_array()) words.push_back(word(node));
        return words;
    }

    ConfigLines & lines_;
};

}  // namespace

std::shared_ptr<CLI::Config> config_reader(ConfigLines & lines) {
    return std::make_shared<ConfigReader>(lines);
}

}  // namespace ql::cli
