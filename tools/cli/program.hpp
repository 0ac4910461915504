// What every program has in common: --help with examples, --version, --config, -q, -v, --json, numbers with limits,
// options that have a name but are not supported yet, errors of one line, exit codes, interrupts.
#pragma once
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/cli/command.hpp"
#include "tools/cli/config_file.hpp"
#include "tools/cli/stop.hpp"

namespace ql::cli {

using Json = nlohmann::ordered_json;

class Program : public Command {
  public:
    /// `examples` are lines of a shell, shown at the end of --help.
    Program(const std::string & name, const std::string & description, const std::string & examples);

    bool json = false, quiet = false, verbose = false;

    Option * seed(uint64_t & value);
    /// -t; the value stays 0, which the library takes for its default, where it is not given.
    Option * threads(int64_t & value);
    /// An option of the common command line that this program does not do yet: using it is an error that says so.
    void not_yet(const std::string & name, const std::string & what_instead, bool takes_value = true);
    /// The first option on the command line itself that is none of `allowed`, by its long name; "" if there is none.
    std::string given_beside(const std::vector<std::string> & allowed) const;
    /// The file that --config names; "" without it. After run() has parsed.
    std::string config_path() const;

    /// Parses and runs; all failures end here.
    int run(int argc, char ** argv, const std::function<int()> & body);

    /// A line for a person on stderr, unless -q; detail() only with -v. What a terminal would obey is escaped. Lines
    /// are held back until the work begins: when the input is refused, the reason is all there is to read.
    void note(const std::string & line) const;
    /// Told every line of note(), with -q, too.
    std::function<void(const std::string &)> on_note;
    void detail(const std::string & line) const;
    void begin_work() const;
    /// The object of --json, on stdout.
    void print(const Json & object) const;
    /// The command line again, without the given options (and their values) and flags, plus `more`.
    std::string command_line(const std::vector<std::string> & without_options,
                             const std::vector<std::string> & without_flags, const std::string & more) const;

  private:
    void parse(int argc, char ** argv);
    std::string place_in_config(const std::string & what) const;
    /// $QL_LOG in place of -q and -v.
    void read_log_level();
    std::string name_;
    mutable std::string held_;
    mutable bool working_ = false;
    struct Later {
        const Option * option;
        std::string name, instead;
    };
    std::vector<Later> later_;
    std::vector<std::string> arguments_;
    ConfigLines config_lines_;
};

/// The signal that asked to stop, or 0. Installed by Program::run.
extern volatile int g_interrupt;
/// Throws Stop with exit code 130 if a signal asked to stop.
void check_interrupt();
/// Sends results to whoever reads stdout; false if they do not arrive (it is closed, its disk is full): results_lost()
/// then says why.
bool flush_results();
Stop results_lost();
/// The value written out on one line, fit for a terminal.
std::string json_text(const Json & value);
/// NaN and Inf become null: JSON has no other word for them.
Json number_or_null(double value);
/// A word as a POSIX shell reads it back.
std::string shell_word(const std::string & word);

}  // namespace ql::cli
