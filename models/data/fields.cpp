#include "models/data/fields.hpp"

#include <string.h>

#include <algorithm>

#include "models/data/form_fields.hpp"
#include "models/json/blanks.hpp"

namespace ql {
namespace {

/// Fields that describe a sample or a message and are not part of it; each has a space on both sides. Every name that
/// begins with "_" is such a field, too.
constexpr std::string_view kMetadata =
    " annotator author avatarUrl categories category comment comments config conv_id conversation_hash"
    " conversation_id conversation_tokens country created created_at creator custom_instruction dataset"
    " dataset_name date detoxify_moderation difficulty doc_id domain dump file file_name file_path filename"
    " finish_reason generator grade hash hashed_ip header id identifier idx index keyword keywords lang langdetect"
    " language language_score length level license likes link locale meta metadata model model_name n_tokens"
    " n_turns name note notes num_tokens num_turns openai_fingerprint openai_moderation origin original_dataset"
    " original_question page parallel_tool_calls path perplexity problem_type prompt_id quality question_id"
    " question_type rating raw_index redacted repo repository reward reward_model_score row_id sample_id score"
    " scores seed sha sha256 skip_prompt_formatting source sources split stars state subcategory subject subset"
    " subtopic tag tags task_id task_name task_type time timestamp title token_count tool_choice topic topics"
    " toxic toxicity turn turn_id turn_identifier type uid unique_id updated updated_at upvotes url urls uuid"
    " version views year ";

struct Refused {
    const char *key, *why;
};
constexpr char kPair[] = "pairs of a good and a bad answer are not trained on; write the good one as messages";
constexpr char kMedia[] = "images, sound and video are not supported";
constexpr char kTools[] = "the old form of calls is not supported; write \"tools\" and \"tool_calls\"";
/// Fields that say what is to be learnt in ways that are not supported here.
constexpr Refused kRefused[] = {
    {"audio", kMedia},
    {"audios", kMedia},
    {"chosen", kPair},
    {"function_call", kTools},
    {"functions", kTools},
    {"image", kMedia},
    {"images", kMedia},
    {"rejected", kPair},
    {"rejected_response", kPair},
    {"train_detail", "an answer is trained whole or not at all"},
    {"video", kMedia},
    {"videos", kMedia},
};

/// Fields by which frameworks leave a message or a sample out of the loss, with a value of 0 or false. A weight of 1
/// changes nothing; the other fields ask for training if they are on.
struct Mask {
    const char * key;
    bool asks;
};
constexpr Mask kMasks[] = {{"weight", false},   {"loss_weight", false}, {"loss_scale", false}, {"loss", true},
                           {"loss_mask", true}, {"train", true},        {"training", true},    {"trainable", true}};

constexpr size_t kShownNames = 8;

bool is_metadata(const std::string & key) {
    if (key.starts_with('_')) return true;
    const auto is_known = [](const std::string & name) { return kMetadata.find(" " + name + " ") != kMetadata.npos; };
    return key.find(' ') == key.npos && (is_known(key) || is_known(lower_case(key)));
}

bool is_refused(std::string_view key) {
    return std::any_of(std::begin(kRefused), std::end(kRefused), [&](const Refused & row) { return row.key == key; });
}

/// Columns that repeat what is used: a prompt beside messages, the whole sample rendered as text.
class Copies {
  public:
    explicit Copies(const std::vector<std::string_view> & used) {
        for (const std::string_view text : used) texts_.push_back(trimmed(text));
        if (!texts_.empty()) answer_ = texts_.back();
        std::sort(texts_.begin(), texts_.end());
    }
    bool has(std::string_view key, const Json & value) const {
        if (!value.is_string()) return false;
        const std::string_view text = trimmed(value.get_ref<const std::string &>());
        if (std::binary_search(texts_.begin(), texts_.end(), text)) return true;
        return (key == "text" || key == "prompt") &&
               !answer_.empty() &&  // memmem takes linear time, string_view::find does not
               memmem(text.data(), text.size(), answer_.data(), answer_.size()) != nullptr;
    }

  private:
    std::vector<std::string_view> texts_;
    std::string_view answer_;
};

}  // namespace

bool is_absent(const Json & value) {
    return value.is_string() ? value.get_ref<const std::string &>().empty() : value.empty();
}

const Json * Fields::find(const char * key) const {
    const auto found = object_.find(key);
    return found == object_.end() || is_absent(*found) ? nullptr : &*found;
}

const char * Fields::first_of(const std::vector<const char *> & keys) const {
    const auto found = std::find_if(keys.begin(), keys.end(), [&](const char * key) { return has(key); });
    return found == keys.end() ? nullptr : *found;
}

const Json * Fields::take(const char * key) {
    const Json * value = find(key);
    if (value) taken_.insert(key);
    return value;
}

Result<std::string> Fields::take_text(const char * key) {
    const Json * value = take(key);
    if (!value) return error(QL_BAD_FILE, "\"%s\" is missing or empty", key);
    if (!value->is_string()) return error(QL_BAD_FILE, "\"%s\" is %s, not a string", key, value->type_name());
    return value->get<std::string>();
}

Result<std::string> Fields::take_optional_text(const char * key) {
    if (!has(key)) return std::string();
    return take_text(key);
}

Result<bool> Fields::take_mask(bool is_answer) {
    bool trained = true;
    for (const Mask & mask : kMasks) {
        const Json * value = take(mask.key);
        if (!value) continue;
        const bool on = *value == true || *value == 1, off = *value == false || *value == 0;
        if (!on && !off)
            return error(QL_UNSUPPORTED, "\"%s\" is %.40s; 0 and 1, true and false are possible", mask.key,
                         value->dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
        if (on && mask.asks && !is_answer)
            return error(QL_UNSUPPORTED, "\"%s\" is on, but only messages of the assistant are trained", mask.key);
        trained = trained && on;
    }
    return trained;
}

Status Fields::check_refused() const {
    for (const Refused & row : kRefused)
        if (const Json * value = find(row.key); value && *value != "[]")  // an empty list that a table stored as text
            return error(QL_UNSUPPORTED, "\"%s\": %s", row.key, row.why);
    return {};
}

Status Fields::check_rest(const std::vector<std::string_view> & used) const {
    std::vector<std::string> unknown;
    std::optional<Copies> copies;  // made when there is something to compare
    for (const auto & [key, value] : object_.get_ref<const Json::object_t &>()) {
        if (taken_.contains(key) || is_absent(value) || value == "[]" || is_metadata(key) || is_refused(key)) continue;
        if (!copies) copies.emplace(used);
        if (!copies->has(key, value)) unknown.push_back("\"" + key.substr(0, 40) + "\"");
        if (unknown.size() == kShownNames) break;
    }
    if (unknown.empty()) return {};
    std::string names;
    for (const std::string & name : unknown) names += (names.empty() ? "" : ", ") + name;
    return error(QL_UNSUPPORTED,
                 "fields that are not used here, and not known to be mere description: %s; remove them, let their "
                 "names begin with \"_\", or leave them out (--columns _=NAME)",
                 names.c_str());
}

}  // namespace ql
