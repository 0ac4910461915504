#include "tools/cli/program.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "common/nearest.hpp"
#include "ql/os.h"
#include "tools/cli/config_file.hpp"
#include "tools/cli/environment.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/help_tables.hpp"
#include "tools/cli/signals.hpp"

namespace ql::cli {

volatile int g_interrupt = 0;

namespace {

int g_results_trouble = 0;  // errno of the first flush that failed: the stream only knows that one did

std::string one_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

bool contains(const std::vector<std::string> & words, const std::string & word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// How the words of a command line name the option; "" where they do not.
std::string name_in(const std::vector<std::string> & arguments, const CLI::Option & option) {
    const auto names = [&](const std::string & name) {
        return std::any_of(arguments.begin(), arguments.end(), [&](const std::string & a) {
            return a.substr(0, a.find('=')) == name || (name.size() == 2 && a.starts_with(name));  // "-ofile", too
        });
    };
    for (const std::string & name : option.get_lnames())
        if (names("--" + name)) return "--" + name;
    for (const std::string & name : option.get_snames())
        if (names("-" + name)) return "-" + name;
    return "";
}

std::string variables_text() {
    std::string text;
    for (const Variable & v : kVariables) text += format("  %-16s %s\n", v.name, v.meaning);
    return text;
}

OptionTable table_of(const CLI::Option & option) {
    OptionTable table;
    for (const std::string & name : option.get_snames()) table.names.push_back("-" + name);
    for (const std::string & name : option.get_lnames()) table.names.push_back("--" + name);
    table.positional = option.get_positional();
    if (table.names.empty()) table.names.push_back(option.get_name(true));
    const bool takes = option.get_items_expected_max() > 0;
    if (takes || !option.get_option_text().empty())
        table.takes = option.get_option_text().empty() ? option.get_type_name() : option.get_option_text();
    if (takes) table.value = option.get_default_str();
    table.does = option.get_description();
    return table;
}

CommandTable table_of(const CLI::App & app) {
    CommandTable table{app.get_name(), app.get_description(), {}, {}};
    for (const CLI::Option * option : app.get_options())
        if (!option->get_group().empty()) table.options.push_back(table_of(*option));
    for (const CLI::App * command : app.get_subcommands([](const CLI::App *) { return true; }))
        table.commands.push_back(table_of(*command));
    return table;
}

/// Long names of options, without dashes; of the commands that were given, too.
std::vector<std::string> option_names(const CLI::App & app) {
    std::vector<std::string> names;
    for (const CLI::Option * option : app.get_options())
        if (!option->get_group().empty())
            for (const std::string & name : option->get_lnames()) names.push_back(name);
    for (const CLI::App * command : app.get_subcommands())
        for (const std::string & name : option_names(*command)) names.push_back(name);
    return names;
}

/// What other programs of this field call an option; "": nothing.
std::string name_here(const std::string & name) {
    constexpr std::pair<const char *, const char *> kNames[] = {
        {"learning-rate", "lr"},     {"learning_rate", "lr"},
        {"rank", "lora-r"},          {"lora-rank", "lora-r"},
        {"alpha", "lora-alpha"},     {"target", "lora-targets"},
        {"targets", "lora-targets"}, {"target-modules", "lora-targets"},
        {"dropout", "lora-dropout"}, {"batch-size", "batch"},
        {"max-steps", "steps"},      {"gradient-accumulation-steps", "grad-accum"},
        {"max-seq-length", "ctx"},   {"ctx-size", "ctx"},
        {"optimizer", "optim"},      {"temperature", "temp"},
        {"adapter", "lora"}};
    for (const auto & [there, here] : kNames)
        if (name == there) return here;
    return "";
}

std::string did_you_mean(const CLI::App & app, const std::string & name, const std::string & dashes) {
    const std::vector<std::string> names = option_names(app);
    std::string nearest = nearest_name(name, names);
    if (nearest.empty()) nearest = name_here(name);
    if (std::find(names.begin(), names.end(), nearest) == names.end()) nearest.clear();
    return nearest.empty() ? "" : "; did you mean " + dashes + nearest + "?";
}

/// Words of the command line that nothing takes: the first option among them, or the first word.
[[noreturn]] void refuse_rest(const CLI::App & app) {
    const std::vector<std::string> rest = app.remaining(true);
    const auto is_option = [](const std::string & word) { return word.size() > 1 && word[0] == '-'; };
    const auto option = std::find_if(rest.begin(), rest.end(), is_option);
    if (option == rest.end()) {
        const std::string word = rest.empty() ? "" : one_line(rest[0]);
        std::vector<std::string> commands;
        for (const CLI::App * command : app.get_subcommands([](const CLI::App *) { return true; }))
            commands.push_back(command->get_name());
        const std::string nearest = nearest_name(word, commands);
        bad_input("'%s' is one word too many%s (see --help)", word.c_str(),
                  nearest.empty() ? "" : ("; did you mean " + nearest + "?").c_str());
    }
    const std::string name = option->substr(0, option->find('='));
    const std::string hint = did_you_mean(app, name.substr(std::min(name.find_first_not_of('-'), name.size())), "--");
    bad_input("%s is unknown%s (see --help)", one_line(name).c_str(), hint.c_str());
}

/// A mistake in the file of --config, or a key that no option has, or that may not stand there: the nearest right one.
[[noreturn]] void refuse_config(const CLI::App & app, const std::string & path, const ConfigLines & lines,
                                const std::string & what) {
    if (what.starts_with(':')) bad_input("--config: %s%s", path.c_str(), one_line(what).c_str());
    const std::string unknown = "INI was not able to parse ",
                      not_here = ": This option is not allowed";  // CLI11's words
    if (const size_t end = what.find(not_here); end != what.npos) {
        const auto line = lines.find(what.substr(0, end));
        bad_input("--config: %s:%lld: '%s' belongs on the command line", path.c_str(),
                  static_cast<long long>(line == lines.end() ? 0 : line->second),
                  one_line(what.substr(0, end)).c_str());
    }
    if (!what.starts_with(unknown)) bad_input("--config: %s: %s (see --help)", path.c_str(), one_line(what).c_str());
    const std::string key = one_line(what.substr(unknown.size()));
    const bool is_section = key.ends_with(".++") || key.ends_with(".--");  // CLI11's marks of a section's ends
    const std::string name = is_section ? key.substr(0, key.size() - 3) : key;
    const auto line = lines.find(name.substr(name.rfind('.') + 1));
    const std::string place = path + (line == lines.end() ? "" : ":" + std::to_string(line->second));
    if (is_section)
        bad_input("--config: %s: '[%s]' begins a section, and there are none; write its keys alone (see --help)",
                  place.c_str(), name.c_str());
    bad_input("--config: %s: '%s' is unknown%s (see --help)", place.c_str(), key.c_str(),
              did_you_mean(app, key, "").c_str());
}

bool is_option_name(const CLI::App & app, const std::string & name) {
    const auto own = app.get_options();
    const auto below = app.get_subcommands([](const CLI::App *) { return true; });
    return std::any_of(own.begin(), own.end(), [&](const CLI::Option * o) { return o->check_lname(name); }) ||
           std::any_of(below.begin(), below.end(),
                       [&](const CLI::App * command) { return is_option_name(*command, name); });
}

/// "--name=" gives a name and no value; CLI11 would take the next word for it.
void refuse_nothing_behind(const CLI::App & app, const std::vector<std::string> & arguments) {
    for (const std::string & a : arguments)
        if (a.starts_with("--") && a.find('=') == a.size() - 1 && is_option_name(app, a.substr(2, a.size() - 3)))
            bad_input("%s: nothing stands behind the '=' (see --help)", a.substr(0, a.size() - 1).c_str());
}

[[noreturn]] void print_and_end(const std::string & text) {
    std::fputs(text.c_str(), stdout);
    throw Stop{kDone, ""};
}

/// Options as "--lora-r N [16]": what they take, and the default.
class HelpFormatter : public CLI::Formatter {
  public:
    std::string make_option_name(const CLI::Option * option, bool is_positional) const override {
        std::string name = CLI::Formatter::make_option_name(option, is_positional);
        const std::string mark = "{false}";  // CLI11 puts it behind the negative of a pair of flags
        if (const size_t at = name.find(mark); at != name.npos) name.erase(at, mark.size());
        return name;
    }
    std::string make_option_opts(const CLI::Option * option) const override {
        const std::string value = option->get_default_str(), what = option->get_option_text();
        if (what.empty()) return CLI::Formatter::make_option_opts(option);
        return " " + what + (value.empty() ? "" : " [" + value + "]");
    }
};

}  // namespace

Program::Program(const std::string & name, const std::string & description, const std::string & examples)
    : Command(name, description), name_(name) {
    CLI::App & app = this->app();
    app.set_version_flag("--version", name + " " + ql_version())->configurable(false);
    keep(app.set_config("--config", "", "Reads options from a TOML file: the same names, without dashes"))
        ->refuse_empty()
        ->option_text("FILE.toml");
    app.config_formatter(config_reader(config_lines_));
    app.allow_config_extras(CLI::config_extras_mode::error);
    flag("--json", json, "One JSON object on stdout at the end, nothing else there");
    flag("-q,--quiet", quiet, "No progress, no notes");
    flag("-v,--verbose", verbose, "Says what was found and chosen");
    app.footer("Examples:\n" + examples + "\n\nEnvironment:\n" + variables_text() +
               "\nExit codes: 0 done, 1 the run failed, 2 bad usage or bad input, 130 interrupted.\n");
    const auto print_completion = [this](const std::string & shell) {
        const std::string text = completion(table_of(this->app()), shell);
        if (text.empty()) bad_input("--completion: '%s' is unknown; %s are", shell.c_str(), kShells);
        print_and_end(text);
    };
    const auto print_man_page = [this, examples] {
        print_and_end(man_page(table_of(this->app()), ql_version(), examples, variables_text()));
    };
    app.add_option_function<std::string>("--completion", print_completion, "")
        ->group("")
        ->configurable(false)
        ->trigger_on_parse();
    app.add_flag_callback("--man", print_man_page, "")->group("")->configurable(false)->trigger_on_parse();
    app.formatter(std::make_shared<HelpFormatter>());
    app.get_formatter()->column_width(34);
}

Option * Program::threads(int64_t & value) {
    return number("-t,--threads", value, 1, 1024, "CPU threads (default: the physical cores, or $QL_THREADS)")
        ->default_str("");
}

Option * Program::seed(uint64_t & value) {
    const auto check = [](const std::string & word) {
        uint64_t parsed = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), parsed);
        const bool whole = error == std::errc() && end == word.data() + word.size();
        return whole ? std::string() : "'" + word + "' is not a whole number from 0 to 18446744073709551615";
    };
    return keep(app()
                    .add_option("--seed", value, "Of everything random")
                    ->check(check)
                    ->option_text("N")
                    ->take_last()
                    ->default_str(std::to_string(value)));
}

void Program::not_yet(const std::string & name, const std::string & what_instead, bool takes_value) {
    const auto ignore = [](const std::string &) {};
    Option * option = keep(takes_value ? app().add_option_function<std::string>(name, ignore) : app().add_flag(name));
    later_.push_back({option->hide(), name.substr(name.rfind(',') + 1), what_instead});
}

std::string Program::config_path() const {
    const CLI::Option * config = app().get_config_ptr();
    return config->count() > 0 ? config->as<std::string>() : "";
}

std::string Program::given_beside(const std::vector<std::string> & allowed) const {
    for (const CLI::Option * option : app().get_options())
        if (option->count() > 0 && !contains(allowed, option->get_name()))
            if (const std::string name = name_in(arguments_, *option); !name.empty()) return name;
    return "";
}

/// "FILE:LINE: " of the option that an error of CLI11 begins with, where its value is the file's.
std::string Program::place_in_config(const std::string & what) const {
    const CLI::Option * option = app().get_option_no_throw(what.substr(0, what.find(':')));
    if (!option || !name_in(arguments_, *option).empty()) return "";
    std::vector<std::string> names = option->get_lnames();
    names.insert(names.end(), option->get_snames().begin(), option->get_snames().end());
    for (const std::string & name : names)
        if (const auto line = config_lines_.find(name); line != config_lines_.end())
            return "--config: " + config_path() + ":" + std::to_string(line->second) + ": ";
    return "";
}

void Program::parse(int argc, char ** argv) {
    try {
        refuse_nothing_behind(app(), arguments_);
        app().parse(argc, argv);
    } catch (const CLI::Success & e) {  // --help, --version
        std::ostringstream text;
        const int code = app().exit(e, text, text);
        std::fputs(text.str().c_str(), stdout);  // like all results: flush_results() knows whether they arrived
        throw Stop{code, ""};
    } catch (const CLI::ExtrasError &) {
        refuse_rest(app());
    } catch (const CLI::FileError &) {
        bad_input("--config: %s: no such file, or it cannot be read", config_path().c_str());
    } catch (const CLI::ConfigError & e) {
        refuse_config(app(), config_path(), config_lines_, e.what());
    } catch (const CLI::ParseError & e) {
        bad_input("%s%s (see --help)", place_in_config(e.what()).c_str(), one_line(e.what()).c_str());
    }
    for (const Later & l : later_)
        if (l.option->count() > 0) bad_input("%s is not supported yet: %s", l.name.c_str(), l.instead.c_str());
    if (count("--quiet") + count("--verbose") == 0) read_log_level();
}

void Program::read_log_level() {
    const char * variable = std::getenv("QL_LOG");
    const std::string level = variable && *variable ? variable : "info";
    quiet = level == "quiet", verbose = level == "debug";
    if (!quiet && !verbose && level != "info")
        bad_input("QL_LOG: '%s' is unknown; quiet, info and debug are possible", level.c_str());
}

int Program::run(int argc, char ** argv, const std::function<int()> & body) {
    Stop end{kFailed, ""};
    try {
        check_run(ql_os_open_standard_streams());  // before anything else: see there
        ql_os_catch_interrupt(&g_interrupt);
        name_bus_errors(name_.c_str());
        for (int i = 1; i < argc; ++i) arguments_.emplace_back(argv[i]);
        parse(argc, argv);
        end.code = body();
        begin_work();  // for programs that had no long work to begin
    } catch (const Stop & stop) {
        end = stop;
    } catch (const std::bad_alloc &) {
        end.message = "out of memory";
    } catch (const std::exception & e) {
        end.message = e.what();
    }
    if (end.code == kDone && !flush_results()) end = results_lost();
    if (!end.message.empty())
        std::fprintf(stderr, "%s: %s%s\n", name_.c_str(),
                     end.code == kInterrupted ? "" : "error: ", escape_line(one_line(end.message)).c_str());
    return end.code;
}

void Program::note(const std::string & line) const {
    if (on_note) on_note(line);
    if (quiet) return;
    const std::string shown = escape_line(line) + "\n";
    if (!working_)
        held_ += shown;
    else
        std::fputs(shown.c_str(), stderr);
}
void Program::detail(const std::string & line) const {
    if (verbose) note(line);
}
void Program::begin_work() const {
    std::fputs(held_.c_str(), stderr);
    held_.clear();
    working_ = true;
}
void Program::print(const Json & object) const {
    std::printf("%s\n", json_text(object).c_str());
}

std::string Program::command_line(const std::vector<std::string> & without_options,
                                  const std::vector<std::string> & without_flags, const std::string & more) const {
    std::string line = name_;
    for (size_t i = 0; i < arguments_.size(); ++i) {
        const std::string & a = arguments_[i];
        if (contains(without_options, a)) {
            ++i;  // its value
            continue;
        }
        if (contains(without_options, a.substr(0, a.find('='))) || contains(without_flags, a)) continue;
        line += " " + shell_word(a);
    }
    return line + " " + more;
}

void check_interrupt() {
    if (g_interrupt) throw Stop{kInterrupted, "interrupted"};
}

bool flush_results() {
    if (std::fflush(stdout) != 0 && g_results_trouble == 0) g_results_trouble = errno;
    return g_results_trouble == 0 && !std::ferror(stdout);
}

Stop results_lost() {
    const std::string why = g_results_trouble ? ": " + std::generic_category().message(g_results_trouble) : "";
    return {kFailed, "stdout: cannot write" + why};
}

std::string json_text(const Json & value) {
    return escape_json(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Json number_or_null(double value) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);
}

std::string shell_word(const std::string & word) {
    const auto plain = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || std::string("_-./:=,+%@").find(c) != std::string::npos;
    };
    if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

}  // namespace ql::cli
