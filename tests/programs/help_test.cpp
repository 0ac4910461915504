// What is written from the tables of options: the man page, and completions that the shells themselves read.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <regex>

#include "programs/process.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

constexpr const char * kPrograms[] = {"ql-finetune", "ql-chat",   "ql-convert", "ql-quantize", "ql-perplexity",
                                      "ql-bench",    "ql-doctor", "ql-adapter", "ql-plot"};

std::string printed(const std::string & program, const std::vector<std::string> & arguments) {
    const ProcessResult r = run_program(program, arguments);
    EXPECT_EQ(0, r.code) << program << ": " << r.err;
    return r.out;
}

/// The long options in --help.
std::vector<std::string> options_of(const std::string & program) {
    const std::string help = printed(program, {"--help"});
    const std::regex option("(^|\n) +(-[a-zA-Z],)?(--[a-z][a-z0-9-]*)");
    std::vector<std::string> names;
    for (std::sregex_iterator it(help.begin(), help.end(), option), end; it != end; ++it)
        names.push_back((*it)[3].str());
    EXPECT_GT(names.size(), 5u) << help;
    return names;
}

std::string shell(const std::string & line) {
    std::string out;
    FILE * pipe = ::popen((line + " 2>&1").c_str(), "r");
    char buffer[4096];
    for (size_t n; pipe && (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
    if (pipe && ::pclose(pipe) != 0) out += "(failed)";
    return out;
}

bool is_there(const std::string & program) {
    return shell("command -v " + program + " > /dev/null").empty();
}

TEST(HelpTables, EveryOptionIsInEachOfThem) {
    for (const std::string program : kPrograms) {
        const std::vector<std::string> names = options_of(program);
        const std::string bash = printed(program, {"--completion", "bash"}),
                          zsh = printed(program, {"--completion", "zsh"}),
                          fish = printed(program, {"--completion", "fish"});
        std::string man = printed(program, {"--man"});
        EXPECT_TRUE(man.starts_with(".TH QL\\-")) << man;
        std::erase(man, '\\');
        for (const std::string & name : names) {
            EXPECT_NE(man.find("fB" + name + "fR"), man.npos) << program << " " << name;
            EXPECT_NE(bash.find(name), bash.npos) << program << " " << name;
            EXPECT_NE(zsh.find("'*" + name + "["), zsh.npos) << program << " " << name;
            EXPECT_NE(fish.find(" -l " + name.substr(2) + " "), fish.npos) << program << " " << name;
        }
        for (const std::string * text : {static_cast<const std::string *>(&man), &bash, &zsh, &fish})
            EXPECT_EQ(text->find("--completion"), text->npos) << "hidden";
    }
    const ProcessResult r = run_program("ql-chat", {"--completion", "csh"});
    EXPECT_EQ(2, r.code);
    EXPECT_NE(r.err.find("'csh' is unknown; bash, zsh, fish are"), r.err.npos) << r.err;
}

TEST(HelpTables, ShellsReadThem) {
    const TemporaryFolder folder;
    for (const std::string program : kPrograms)
        for (const std::string name : {"bash", "zsh", "fish"}) {
            if (!is_there(name)) continue;
            const std::string path = folder.write(program + "." + name, printed(program, {"--completion", name}));
            EXPECT_EQ(shell(name + " -n " + path), "") << program;
        }
    if (!is_there("man")) return;
    for (const std::string program : kPrograms) {
        const std::string path = folder.write(program + ".1", printed(program, {"--man"}));
        EXPECT_EQ(shell("man --warnings -l " + path + " > /dev/null"), "") << program;
        if (!is_there("groff")) continue;
        for (const std::string columns : {"60", "80", "200"})
            EXPECT_EQ(shell("groff -ww -man -Tutf8 -rLL=" + columns + "n " + path + " > /dev/null"), "") << program;
    }
}

TEST(HelpTables, BashCompletesOptionsWordsAndCommands) {
    const TemporaryFolder folder;
    const auto completed = [&](const std::string & program, const std::string & words) {
        const std::string path = folder.write("c", printed(program, {"--completion", "bash"}));
        std::string function = "_" + program;
        std::replace(function.begin(), function.end(), '-', '_');
        return shell("bash -c 'cd " + folder.path("") + " && source ./c && COMP_WORDS=(" + program + " " + words +
                     ") && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && " + function + " && echo ${COMPREPLY[@]}'");
    };
    EXPECT_EQ(completed("ql-finetune", "--schedule co"), "constant cosine\n");
    EXPECT_EQ(completed("ql-finetune", "-m x --early"), "--early-stop\n");
    EXPECT_EQ(completed("ql-finetune", "--lr a"), "auto\n");
    folder.write("model.gguf", "");
    EXPECT_EQ(completed("ql-finetune", "-m mod"), "model.gguf\n");
    EXPECT_EQ(completed("ql-finetune", "--steps mod"), "\n") << "a number is no file";
    EXPECT_EQ(completed("ql-adapter", "com"), "compose\n");
    EXPECT_EQ(completed("ql-adapter", "compose --dens"), "--density\n");
    EXPECT_EQ(completed("ql-adapter", "info --dens"), "\n");
}

}  // namespace
}  // namespace ql::test
