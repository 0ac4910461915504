// Completions: names of options and commands, the words that an option takes, files where it takes one. Where a program
// has commands, an option is offered once its command is named.
#include <algorithm>

#include "tools/cli/help_tables.hpp"

namespace ql::cli {
namespace {

/// In single quotes, for all three shells.
std::string in_quotes(const std::string & text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

/// What an option takes, "constant|linear|X": the words in lower case.
std::vector<std::string> words_of(const OptionTable & o) {
    std::vector<std::string> words;
    for (size_t at = 0; at <= o.takes.size();) {
        const size_t end = std::min(o.takes.find('|', at), o.takes.size());
        const std::string word = o.takes.substr(at, end - at);
        const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        });
        if (plain) words.push_back(word);
        at = end + 1;
    }
    return words;
}

bool takes_path(const OptionTable & o) {
    for (const char * what : {"FILE", "DIR", "FOLDER", "GLOB"})
        if (o.takes.find(what) != o.takes.npos) return true;
    return false;
}

std::string join_words(const std::vector<std::string> & words, const char * between = " ") {
    std::string text;
    for (const std::string & w : words) text += (text.empty() ? "" : between) + w;
    return text;
}

/// The options with a name, not those that are known by their place.
std::vector<OptionTable> named(const CommandTable & command) {
    std::vector<OptionTable> options = command.options;
    std::erase_if(options, [](const OptionTable & o) { return o.positional; });
    return options;
}

std::string bash_case(const OptionTable & o) {
    if (o.takes.empty()) return "";
    const std::vector<std::string> words = words_of(o);
    std::string offers;
    if (!words.empty()) offers += " -W " + in_quotes(join_words(words));
    if (takes_path(o)) offers += " -f";
    const std::string reply =
        offers.empty() ? "COMPREPLY=()" : "mapfile -t COMPREPLY < <(compgen" + offers + " -- \"$cur\")";
    return "        " + join_words(o.names, "|") + ") " + reply + "; return ;;\n";
}

std::string bash_names(const CommandTable & command) {
    std::vector<std::string> names;
    for (const OptionTable & o : named(command)) names.insert(names.end(), o.names.begin(), o.names.end());
    return join_words(names);
}

std::string function_of(const std::string & program) {
    std::string name = "_" + program;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

std::string bash(const CommandTable & program) {
    const std::string function = function_of(program.name);
    std::string text =
        function + "() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word\n";
    text += "    local names=" + in_quotes(bash_names(program)) + " commands=";
    std::vector<std::string> commands;
    for (const CommandTable & c : program.commands) commands.push_back(c.name);
    text += in_quotes(join_words(commands)) + " command=\n    COMPREPLY=()\n";
    if (!commands.empty()) {
        text += "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n        case $word in\n";
        for (const CommandTable & c : program.commands)
            text += "        " + c.name + ") command=$word names+=" + in_quotes(" " + bash_names(c)) + " ;;\n";
        text += "        esac\n    done\n";
    }
    text += "    case $prev in\n";
    std::vector<std::string> seen;
    const auto add = [&](const CommandTable & command) {
        for (const OptionTable & o : named(command)) {
            if (std::find(seen.begin(), seen.end(), o.names.back()) != seen.end()) continue;
            seen.push_back(o.names.back());
            text += bash_case(o);
        }
    };
    add(program);
    for (const CommandTable & c : program.commands) add(c);
    text +=
        "    esac\n    if [[ $cur == -* ]]; then\n        mapfile -t COMPREPLY < <(compgen -W \"$names\" -- "
        "\"$cur\")\n";
    text += "    elif [[ -n $commands && -z $command ]]; then\n";
    text += "        mapfile -t COMPREPLY < <(compgen -W \"$commands\" -- \"$cur\")\n    else\n";
    text += "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n    fi\n}\n";
    return text + "complete -o filenames -F " + function + " " + program.name + "\n";
}

/// A description inside of zsh's [ ].
std::string zsh_text(const std::string & text) {
    std::string out;
    for (const char c : text) {
        if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
        out += c == '\n' ? ' ' : c;
    }
    return out;
}

std::string zsh_option(const OptionTable & o, const std::string & name) {
    std::string spec = "*" + name + "[" + zsh_text(o.does) + "]";
    if (!o.takes.empty()) {
        const std::vector<std::string> words = words_of(o);
        spec += ":" + zsh_text(o.takes) + ":";
        if (takes_path(o))
            spec += "_files";
        else if (!words.empty())
            spec += "(" + join_words(words) + ")";
    }
    return in_quotes(spec);
}

std::string zsh_options(const CommandTable & command, const std::string & indent) {
    std::string text;
    for (const OptionTable & o : named(command))
        for (const std::string & name : o.names) text += " \\\n" + indent + zsh_option(o, name);
    return text;
}

std::string zsh(const CommandTable & program) {
    std::string text = "#compdef " + program.name + "\n";
    if (program.commands.empty())
        return text + "_arguments" + zsh_options(program, "    ") + " \\\n    '*:file:_files'\n";
    text += "local line state\n_arguments -C" + zsh_options(program, "    ");
    text +=
        " \\\n    '1:command:->command' \\\n    '*::argument:->argument'\ncase $state in\ncommand)\n    local -a "
        "commands=(\n";
    for (const CommandTable & c : program.commands)
        text += "        " + in_quotes(c.name + ":" + zsh_text(c.does)) + "\n";
    text += "    )\n    _describe command commands ;;\nargument)\n    case $line[1] in\n";
    for (const CommandTable & c : program.commands)
        text += "    " + c.name + ") _arguments" + zsh_options(c, "        ") + zsh_options(program, "        ") +
                " \\\n        '*:file:_files' ;;\n";
    return text + "    esac ;;\nesac\n";
}

std::string fish_option(const CommandTable & program, const OptionTable & o, const std::string & condition) {
    std::string line = "complete -c " + program.name + condition;
    for (const std::string & name : o.names)
        line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    const std::vector<std::string> words = words_of(o);
    if (!o.takes.empty()) line += takes_path(o) ? " -r -F" : " -x";
    if (!words.empty()) line += " -a " + in_quotes(join_words(words));
    std::string does = o.does;
    std::replace(does.begin(), does.end(), '\n', ' ');
    return line + " -d " + in_quotes(does) + "\n";
}

std::string fish(const CommandTable & program) {
    std::string text;
    for (const OptionTable & o : named(program)) text += fish_option(program, o, "");
    for (const CommandTable & c : program.commands) {
        text += "complete -c " + program.name + " -n __fish_use_subcommand -f -a " + c.name + " -d " +
                in_quotes(c.does) + "\n";
        for (const OptionTable & o : named(c))
            text += fish_option(program, o, " -n " + in_quotes("__fish_seen_subcommand_from " + c.name));
    }
    return text;
}

}  // namespace

std::string completion(const CommandTable & program, const std::string & shell) {
    return shell == "bash" ? bash(program) : shell == "zsh" ? zsh(program) : shell == "fish" ? fish(program) : "";
}

}  // namespace ql::cli
