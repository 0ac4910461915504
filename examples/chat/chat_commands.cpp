#include "examples/chat/chat_commands.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "models/json/parse_json.hpp"
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
                               {"/load", "FILE.jsonl", "goes on with such a chat"},
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

/// errors  what keeps a file from being a chat: turns that do not take turns
Result<Conversation::Turns> read_chat(const std::string & path) {
    QL_ASSIGN(const Json chat, read_json_object(path));
    const auto messages = chat.find("messages");
    if (messages == chat.end() || !messages->is_array())
        return error(QL_BAD_FILE, "%s: has no list 'messages'", path.c_str());
    Conversation::Turns turns;
    for (const Json & message : *messages) {
        const bool whole = message.is_object() && message.contains("role") && message["role"].is_string() &&
                           message.contains("content") && message["content"].is_string();
        if (!whole) return error(QL_BAD_FILE, "%s: a message without role and content", path.c_str());
        turns.roles.push_back(message["role"]), turns.contents.push_back(message["content"]);
    }
    const size_t first = !turns.roles.empty() && turns.roles[0] == "system" ? 1 : 0;
    for (size_t i = first; i < turns.roles.size(); ++i)
        if (turns.roles[i] != ((i - first) % 2 ? "assistant" : "user"))
            return error(QL_BAD_FILE, "%s: message %zu is the %.40s's, not the %s's", path.c_str(), i + 1,
                         turns.roles[i].c_str(), (i - first) % 2 ? "assistant" : "user");
    if ((turns.roles.size() - first) % 2) return error(QL_BAD_FILE, "%s: the last message has no answer", path.c_str());
    return turns;
}

}  // namespace

std::string ChatCommands::help() {
    std::string text;
    for (const Known & c : kCommands)
        text += format("%s%-7s %-16s %s", text.empty() ? "" : "\n", c.name, c.takes, c.does);
    return text;
}

bool ChatCommands::is_in(const std::string & line) {
    const std::string name = split(line).first;
    return name.size() > 1 && name[0] == '/' &&
           std::all_of(name.begin() + 1, name.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

ChatCommands::Reply ChatCommands::run(const std::string & line) {
    const auto [name, rest] = split(line);
    if (name == "/help") return {help()};
    if (name == "/reset") return conversation_.reset(), Reply{"what was said is forgotten"};
    if (name == "/system") return system(rest);
    if (name == "/retry") return retry();
    if (name == "/undo") return undo();
    if (name == "/save") return save(rest);
    if (name == "/load") return load(rest);
    if (name == "/temp") return temperature(rest);
    return {name + " is no command; /help lists them", false};
}

ChatCommands::Reply ChatCommands::system(const std::string & text) {
    conversation_.set_system(text);
    return {text.empty() ? "no system message" : "system message set"};
}

ChatCommands::Reply ChatCommands::retry() {
    const auto question = conversation_.undo();
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
    std::error_code ec;
    const bool own = std::find(saved_.begin(), saved_.end(), path) != saved_.end();
    if (!own && std::filesystem::exists(path, ec)) return {"/save: " + path + " is there already", false};
    const Conversation::Turns & turns = conversation_.turns();
    Json messages = Json::array();
    for (size_t i = 0; i < turns.roles.size(); ++i)
        messages.push_back({{"role", turns.roles[i]}, {"content", turns.contents[i]}});
    const std::string text = Json{{"messages", messages}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    if (const Status written(ql_os_write_file(path.c_str(), text.data(), text.size())); !written.ok())
        return {"/save: " + written.message(), false};
    saved_.push_back(path);
    return {format("%zu messages in %s", turns.roles.size(), path.c_str())};
}

ChatCommands::Reply ChatCommands::load(const std::string & path) {
    if (path.empty()) return {"/load: the name of a file is needed", false};
    auto turns = read_chat(path);
    if (!turns.ok()) return {"/load: " + turns.message(), false};
    const size_t n = turns->roles.size();
    conversation_.restore(std::move(turns).value());
    return {format("%zu messages from %s", n, path.c_str())};
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
