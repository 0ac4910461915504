#include "examples/chat/chat_commands.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "examples/chat/saved_chat.hpp"
#include "ql/os.h"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

struct Known {
    const char *name, *takes, *does;
};
constexpr Known kCommands[] = {{"/help", "", "this list"},
                               {"/reset", "", "forgets what was said"},
                               {"/system", "[TEXT]", "tells the model what it is; without a text, nothing"},
                               {"/retry", "", "answers the last message again"},
                               {"/undo", "", "takes the last message and its answer back"},
                               {"/save", "FILE.jsonl", "writes the chat as a sample that ql-finetune reads"},
                               {"/load", "FILE.jsonl [N]", "goes on with such a chat, or with sample N of a dataset"},
                               {"/temp", "X", "the temperature from now on"},
                               {"/lora", "[N [SCALE]|off]", "lists the adapters, or applies others"},
                               {"/exit", "", "ends the chat, as the end of the input does"}};
constexpr double kMostTemperature = 100;

/// The command, and what follows it without blanks around.
std::pair<std::string, std::string> split(const std::string & line) {
    const char * const blanks = " \t\r";
    const size_t begin = line.find_first_not_of(blanks);
    if (begin == line.npos) return {};
    const size_t end = std::min(line.find_first_of(blanks, begin), line.size());
    const size_t rest = line.find_first_not_of(blanks, end);
    return {line.substr(begin, end - begin),
            rest == line.npos ? "" : line.substr(rest, line.find_last_not_of(blanks) + 1 - rest)};
}

std::string lower(std::string text) {
    for (char & c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

}  // namespace

std::string ChatCommands::help() {
    std::string text;
    for (const Known & c : kCommands)
        text += format("%s%-7s %-16s %s", text.empty() ? "" : "\n", c.name, c.takes, c.does);
#ifdef QL_LIBEDIT
    text += "\nAlt-Enter begins another line of a message; what is pasted is one message, with all its lines";
#endif
    return text;
}

std::string ChatCommands::name_in(const std::string & line) {
    return lower(split(line).first);
}

bool ChatCommands::is_in(const std::string & line) {
    const std::string name = split(line).first;
    return name.size() > 1 && name[0] == '/' && std::all_of(name.begin() + 1, name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
           });
}

ChatCommands::Reply ChatCommands::run(const std::string & line) {
    const auto [written, rest] = split(line);
    const std::string name = lower(written);
    const auto known = std::find_if(std::begin(kCommands), std::end(kCommands),
                                    [&](const Known & command) { return name == command.name; });
    if (known == std::end(kCommands)) return {written + " is no command; /help lists them", false};
    if (!*known->takes && !rest.empty()) return {name + ": '" + rest + "' is too much: it takes nothing", false};
    if (name == "/help") return {help()};
    if (name == "/reset") return reset();
    if (name == "/system") return system(rest);
    if (name == "/retry") return retry();
    if (name == "/undo") return undo();
    if (name == "/save") return save(rest);
    if (name == "/load") return load(rest);
    return temperature(rest);
}

ChatCommands::Reply ChatCommands::reset() {
    conversation_.reset();
    saved_.clear();
    return {"what was said is forgotten"};
}

ChatCommands::Reply ChatCommands::system(const std::string & text) {
    conversation_.set_system(text);
    return {text.empty() ? "no system message" : "system message set"};
}

ChatCommands::Reply ChatCommands::retry() {
    const auto question = conversation_.retry();
    if (!question) return {"/retry: nothing was answered yet", false};
    return {"", true, question};
}

ChatCommands::Reply ChatCommands::undo() {
    const auto question = conversation_.undo();
    if (!question) return {"/undo: nothing was answered yet", false};
    return {"taken back: " + *question};
}

ChatCommands::Reply ChatCommands::save(const std::string & path) {
    if (path.empty()) return {"/save: the name of a file is needed", false};
    const Conversation::Messages & messages = conversation_.messages();
    if (messages.empty() || messages.back().role == "system") return {"/save: nothing was said yet", false};
    std::error_code ec;
    const bool own = std::find(saved_.begin(), saved_.end(), path) != saved_.end();
    if (!own && std::filesystem::exists(path, ec)) return {"/save: " + path + " is there already", false};
    const std::string text = saved_chat(messages);
    if (const Status written(ql_os_write_file(path.c_str(), text.data(), text.size())); !written.ok())
        return {"/save: " + written.message(), false};
    saved_.push_back(path);
    const auto n_broken = std::count_if(messages.begin(), messages.end(), [](const auto & m) { return !m.whole; });
    std::string said = format("%zu messages in %s", messages.size(), path.c_str());
    if (n_broken > 0)
        said += format("; %lld answer%s broken off, marked as not to be trained (\"weight\": 0)",
                       static_cast<long long>(n_broken), n_broken == 1 ? " was" : "s were");
    return {said};
}

ChatCommands::Reply ChatCommands::load(const std::string & path) {
    if (path.empty()) return {"/load: the name of a file is needed", false};
    auto chat = load_chat(path);
    if (!chat.ok()) return {"/load: " + chat.message(), false};
    const size_t n = chat->messages.size();
    conversation_.restore(std::move(chat->messages));
    std::erase_if(saved_, [&](const std::string & saved) { return saved != path; });
    return {format("%zu messages from %s", n, path.c_str()) + (chat->note.empty() ? "" : "; " + chat->note)};
}

ChatCommands::Reply ChatCommands::temperature(const std::string & text) {
    double value = 0;
    const char * const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    if (text.empty()) return {"temperature " + print_number(temperature_, 2)};
    if (read.ec != std::errc() || read.ptr != end || !(value >= 0 && value <= kMostTemperature))
        return {"/temp: '" + text + "' is no temperature; 0 to 100 are possible", false};
    temperature_ = value;
    return {"temperature " + print_number(value, 2)};
}

}  // namespace ql::cli
