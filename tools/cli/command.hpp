// The options of a program or of one of its subcommands, over CLI11. Its headers take seconds to compile: only
// command.cpp, program.cpp and config_file.cpp read them.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ql::cli {

/// One option; owned by its Command.
class Option {
  public:
    explicit Option(CLI::Option * option) : option_(option) {}
    /// What --help says that it takes, such as FILE.gguf.
    Option * option_text(const std::string & text);
    /// The default as --help shows it; "" shows none.
    Option * default_str(const std::string & text);
    Option * description(const std::string & text);
    Option * required(bool needed = true);
    /// why_not: of a word that was given, what is wrong with it; "" takes it.
    Option * check(std::function<std::string(const std::string &)> why_not);
    /// "" is no value of it: a shell makes that of a variable that is not set.
    Option * refuse_empty();
    /// Takes it back: "" has a meaning, or a message of its own.
    Option * may_be_empty();
    /// One value each time that it is given, however many words follow.
    Option * one_each_time();
    /// Exactly one value; without it a list takes several.
    Option * single();
    /// Not in --help.
    Option * hide();
    /// How often it was given.
    size_t count() const;

  private:
    CLI::Option * option_;
};

class Command {
  public:
    /// A program of its own, without any option.
    Command(const std::string & name, const std::string & description);
    ~Command();
    Command(const Command &) = delete;
    Command & operator=(const Command &) = delete;

    /// An integer or a real number with limits; anything else is exit code 2 with the limits in the line.
    Option * number(const std::string & names, int64_t & value, int64_t low, int64_t high, const std::string & help);
    Option * number(const std::string & names, double & value, double low, double high, const std::string & help);
    /// `n` integers with commas between them.
    Option * numbers(const std::string & names, std::vector<int64_t> & values, int n, int64_t low, int64_t high,
                     const std::string & help);
    // Texts, each of them refuse_empty().
    Option * text(const std::string & names, std::string & value, const std::string & help);
    /// A text that may be left out behind the name: `bare` then, as with "true"; "false" is as if it were not given.
    Option * optional_text(const std::string & names, std::string & value, const std::string & bare,
                           const std::string & help);
    /// A text of parts with commas between them: given several times, the option has all of them.
    Option * list(const std::string & names, std::string & value, const std::string & help);
    /// Several texts: the option may stand several times, or once before several words, as a shell's pattern makes them.
    Option * texts(const std::string & names, std::vector<std::string> & values, const std::string & help);
    /// One of `known`; one of `later` is named in the error as not supported yet.
    Option * choice(const std::string & name, std::string & value, const std::vector<std::string> & known,
                    const std::vector<std::string> & later, const std::string & help);
    /// "--on,!--off" names what sets it and what clears it.
    Option * flag(const std::string & names, bool & value, const std::string & help);
    /// A flag that may be given a text behind '=': "--name{what it is without one, or with "true"}".
    Option * flag(const std::string & names, std::string & value, const std::string & help);
    Option * flag(const std::string & names, std::function<void()> when_given, const std::string & help);

    Command * add_subcommand(const std::string & name, const std::string & help);
    /// At most one subcommand; options of the program may stand behind its name, too.
    void take_one_subcommand();
    /// Whether this subcommand was named.
    bool given() const;
    /// How often the option was given.
    size_t count(const std::string & name) const;

  protected:
    CLI::App & app() { return *app_; }
    const CLI::App & app() const { return *app_; }
    Option * keep(CLI::Option * option);

  private:
    explicit Command(CLI::App * app);
    std::unique_ptr<CLI::App> own_;  // null in subcommands, which belong to their program's
    CLI::App * app_;
    std::vector<std::unique_ptr<Option>> options_;
    std::vector<std::unique_ptr<Command>> subcommands_;
};

}  // namespace ql::cli
