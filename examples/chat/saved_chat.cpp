#include "examples/chat/saved_chat.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <vector>

#include "models/json/blanks.hpp"
#include "models/json/parse_json.hpp"
#include "models/json/records.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr size_t kLargestFile = size_t{1} << 30;

struct Place {
    std::string path;
    size_t number = 0;  // from 1; 0: the only one
};

/// A file's own name may end in a number.
Place place_of(const std::string & text) {
    std::error_code ec;
    const size_t blank = text.find_last_of(" \t");
    if (blank == text.npos || std::filesystem::exists(text, ec)) return {text};
    const char *begin = text.data() + blank + 1, *end = text.data() + text.size();
    size_t number = 0;
    const auto read = std::from_chars(begin, end, number);
    if (read.ec != std::errc() || read.ptr != end || number == 0) return {text};
    return {text.substr(0, text.find_last_not_of(" \t", blank) + 1), number};
}

/// What of an object is none of `known`, and would be lost; names that begin with '_' only describe.
std::string unknown_in(const Json & object, const std::vector<std::string> & known) {
    for (const auto & item : object.items())
        if (!item.key().starts_with('_') && std::find(known.begin(), known.end(), item.key()) == known.end())
            return item.key();
    return "";
}

Result<Conversation::Message> message_of(const Json & message, size_t i) {
    const bool is_whole = message.is_object() && message.contains("role") && message["role"].is_string() &&
                          message.contains("content") && message["content"].is_string();
    if (!is_whole) return error(QL_BAD_FILE, "message %zu is without role and content", i + 1);
    if (const std::string other = unknown_in(message, {"role", "content", "weight"}); !other.empty())
        return error(QL_BAD_FILE, "message %zu has a field '%.40s', which a chat does not keep", i + 1, other.c_str());
    const Json weight = message.value("weight", Json(1));
    if (weight != 0 && weight != 1) return error(QL_BAD_FILE, "message %zu has a weight other than 0 and 1", i + 1);
    return Conversation::Message{message["role"], message["content"], weight == 1};
}

Status check_turns(const Conversation::Messages & messages) {
    const size_t first = !messages.empty() && messages[0].role == "system" ? 1 : 0;
    for (size_t i = first; i < messages.size(); ++i)
        if (const char * role = (i - first) % 2 ? "assistant" : "user"; messages[i].role != role)
            return error(QL_BAD_FILE, "message %zu is the %.40s's, not the %s's", i + 1, messages[i].role.c_str(),
                         role);
    if ((messages.size() - first) % 2) return error(QL_BAD_FILE, "the last message has no answer");
    return {};
}

/// The text of the first of some fields that a sample has, and which one that was.
std::string first_text(const Json & sample, const std::vector<std::string> & names, std::vector<std::string> & used) {
    for (const std::string & name : names)
        if (sample.contains(name) && sample[name].is_string()) return used.push_back(name), sample[name];
    return "";
}

/// A question and its answer, as ql-finetune makes a conversation of them.
Result<Conversation::Messages> turn_of(const Json & sample) {
    std::vector<std::string> used;
    const std::string system = first_text(sample, {"system", "system_prompt"}, used),
                      question = first_text(sample, {"instruction", "question", "query", "problem"}, used),
                      more = first_text(sample, {"input", "context"}, used),
                      answer = first_text(sample, {"output", "response", "answer", "solution"}, used);
    if (question.empty() || answer.empty())
        return error(QL_BAD_FILE, "is no chat: it has neither a list 'messages' nor a question with its answer");
    if (const std::string other = unknown_in(sample, used); !other.empty())
        return error(QL_BAD_FILE, "has a field '%.40s', which a chat does not keep", other.c_str());
    Conversation::Messages messages;
    if (!system.empty()) messages.push_back({"system", system});
    messages.push_back({"user", is_blank(more) ? question : question + "\n" + more});
    messages.push_back({"assistant", answer});
    return messages;
}

Result<Conversation::Messages> messages_of(std::string_view text) {
    QL_ASSIGN(const Json chat, parse_json(text));
    if (!chat.is_object()) return error(QL_BAD_FILE, "is no JSON object");
    const auto list = chat.find("messages");
    if (list == chat.end()) return turn_of(chat);
    if (!list->is_array()) return error(QL_BAD_FILE, "has no list 'messages'");
    if (const std::string other = unknown_in(chat, {"messages"}); !other.empty())
        return error(QL_BAD_FILE, "has a field '%.40s', which a chat does not keep", other.c_str());
    Conversation::Messages messages;
    for (size_t i = 0; i < list->size(); ++i) {
        QL_ASSIGN(Conversation::Message message, message_of((*list)[i], i));
        messages.push_back(std::move(message));
    }
    QL_TRY(check_turns(messages));
    return messages;
}

/// The samples before number n that are no JSON: who skips bad lines counts otherwise.
std::string bad_before(const std::vector<Record> & samples, size_t n) {
    std::string note;
    size_t n_bad = 0;
    for (size_t i = 0; i + 1 < n; ++i)
        if (const auto json = parse_json(samples[i].json, samples[i].line); !json.ok() && n_bad++ == 0)
            note = format("line %lld is bad, and counted as sample %zu: %s", static_cast<long long>(samples[i].line),
                          i + 1, json.message().c_str());
    return n_bad > 1 ? note + format("; %zu more are bad", n_bad - 1) : note;
}

}  // namespace

std::string saved_chat(const Conversation::Messages & messages) {
    Json list = Json::array();
    for (const Conversation::Message & m : messages) {
        list.push_back({{"role", m.role}, {"content", m.content}});
        if (!m.whole) list.back()["weight"] = 0;
    }
    return Json{{"messages", list}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<LoadedChat> load_chat(const std::string & file_and_number) {
    const Place place = place_of(file_and_number);
    const char * path = place.path.c_str();
    QL_ASSIGN(const FileBytes bytes, read_file(place.path, kLargestFile));
    for (const char * ending : {".csv", ".tsv", ".txt", ".gz"})
        if (place.path.ends_with(ending))
            return error(QL_UNSUPPORTED, "%s: a chat is read from .jsonl or .json, not from %s", path, ending);
    const auto samples = split_records(without_mark(bytes.view()));  // by which ql-finetune counts them, too
    if (!samples.ok()) return error(samples.code(), "%s:%s", path, samples.message().c_str());
    if (samples->empty()) return error(QL_BAD_FILE, "%s: the file has no samples", path);
    if (place.number == 0 && samples->size() > 1)
        return error(QL_BAD_FILE, "%s: has %zu samples; name one: /load %s 1", path, samples->size(), path);
    if (place.number > samples->size())
        return error(QL_BAD_FILE, "%s: there is no sample %zu, it has %zu", path, place.number, samples->size());
    const Record & sample = (*samples)[std::max<size_t>(place.number, 1) - 1];
    auto messages = messages_of(sample.json);
    if (messages.ok()) return LoadedChat{std::move(messages).value(), bad_before(*samples, place.number)};
    const std::string which = place.number ? format("sample %zu: ", place.number) : "";
    return error(messages.code(), "%s:%lld: %s%s", path, static_cast<long long>(sample.line), which.c_str(),
                 messages.message().c_str());
}

}  // namespace ql::cli
