// The man page of a program, in the macros of man(7).
#include <algorithm>
#include <sstream>

#include "tools/cli/help_tables.hpp"

namespace ql::cli {
namespace {

/// Text as roff prints it: no line is a request, no character an escape.
std::string roff(const std::string & text) {
    std::string out;
    bool begins = true;
    for (const char c : text) {
        if (begins && (c == '.' || c == '\'')) out += "\\&";
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else
            out += c;
        begins = c == '\n';
    }
    return out;
}

/// A list of words as one word that may go on in the next line.
std::string breakable(const std::string & list) {
    std::string out;
    for (const char c : roff(list)) {
        out += c;
        if (c == '|' || c == ',') out += "\\:";
    }
    return out;
}

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return text;
}

std::string options_of(const CommandTable & command) {
    std::string text;
    for (const OptionTable & o : command.options) {
        std::string names;
        for (const std::string & name : o.names) names += (names.empty() ? "\\fB" : ", \\fB") + roff(name) + "\\fR";
        text += ".TP\n" + names;
        if (!o.takes.empty()) text += " \\fI" + breakable(o.takes) + "\\fR";
        if (!o.value.empty()) text += " [" + roff(o.value) + "]";
        text += "\n" + roff(o.does.empty() ? "-" : o.does) + "\n";
    }
    return text;
}

std::string as_written(const std::string & lines) {
    return ".nf\n" + roff(lines) + "\n.fi\n";
}

}  // namespace

std::string man_page(const CommandTable & program, const std::string & version, const std::string & examples,
                     const std::string & environment) {
    std::string text =
        ".TH " + upper(roff(program.name)) + " 1 \"\" \"" + roff(program.name + " " + version) + "\"\n.ad l\n.nh\n";
    const std::string first = program.does.substr(0, program.does.find_first_of(".;\n"));
    text += ".SH NAME\n" + roff(program.name) + " \\- " + roff(first) + "\n";
    text += ".SH SYNOPSIS\n\\fB" + roff(program.name) + "\\fR";
    if (!program.commands.empty()) text += " \\fICOMMAND\\fR";
    text += " [\\fIOPTION\\fR]...\n.SH DESCRIPTION\n";
    std::istringstream lines(program.does);
    for (std::string line; std::getline(lines, line);) text += roff(line) + "\n.br\n";
    text += ".SH OPTIONS\n" + options_of(program);
    for (const CommandTable & command : program.commands)
        text += ".SH " + upper(roff(command.name)) + "\n" + roff(command.does) + "\n" + options_of(command);
    text += ".SH EXAMPLES\n" + as_written(examples) + ".SH ENVIRONMENT\n" + as_written(environment);
    return text + ".SH EXIT STATUS\n0 done, 1 the run failed, 2 bad usage or bad input, 130 interrupted.\n";
}

}  // namespace ql::cli
