#include "models/text/known_tokens.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "models/base/utf8.hpp"
#include "models/text/byte_level.hpp"

namespace ql {
namespace {

constexpr std::string_view kEndOfTurn[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|end_of_turn|>",
                                           "<EOT>",      "< EOT >",    "_<EOT>",  "[EOT]",         "<end_of_utterance>",
                                           "<turn|>"};
constexpr std::string_view kEndOfText[] = {
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<|eom_id|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<|tool_response>",
    "<eos>",
    "[EOS]",
    "[e~[",
    "<\xEF\xBD\x9C"
    "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",  // DeepSeek's: U+FF5C and U+2581
    "<|fim_pad|>",  // filling in the middle: the padding, and what begins the next repository or file
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
};
// What stands around the parts where the middle is filled in: controls that end nothing.
constexpr std::string_view kFillInTheMiddle[] = {
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<PRE>",
    "\xE2\x96\x81<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<SUF>",
    "\xE2\x96\x81<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<MID>",
    "\xE2\x96\x81<MID>",
    "<|code_middle|>",
    "<|middle|>",
    "<\xEF\xBD\x9C"
    "fim\xE2\x96\x81"
    "begin\xEF\xBD\x9C>",
    "<\xEF\xBD\x9C"
    "fim\xE2\x96\x81hole\xEF\xBD\x9C>",
    "<\xEF\xBD\x9C"
    "fim\xE2\x96\x81"
    "end\xEF\xBD\x9C>",
};

bool is_single_character(std::string_view text) {
    return !text.empty() && next_utf8(text).size == text.size();
}

/// True if merging can lead to this token: then it is a piece of text, and stays one.
bool text_can_become(const Vocab & vocab, int32_t id) {
    const std::string & text = vocab.tokens[static_cast<size_t>(id)];
    if (vocab.types[static_cast<size_t>(id)] == TokenType::kByte || is_single_character(text)) return true;
    if (vocab.kind == TokenizerKind::kByteLevelBpe) {
        return std::any_of(vocab.merges.begin(), vocab.merges.end(), [&](std::string_view merge) {
            const size_t space = merge.find(' ', 1);
            return space != merge.npos && merge.size() == text.size() + 1 && text.starts_with(merge.substr(0, space)) &&
                   text.ends_with(merge.substr(space + 1));
        });
    }
    const std::unordered_set<std::string_view> tokens(vocab.tokens.begin(), vocab.tokens.end());
    for (size_t cut = 1; cut < text.size(); cut++) {
        const std::string_view whole = text;
        if (tokens.contains(whole.substr(0, cut)) && tokens.contains(whole.substr(cut))) return true;
    }
    return false;
}

void mark(Vocab & vocab, int32_t id, const char * note) {
    TokenType & type = vocab.types[static_cast<size_t>(id)];
    if (type == TokenType::kControl || type == TokenType::kUnknown) return;
    type = TokenType::kControl;
    if (note) {
        vocab.notes.push_back(
            format("tokenizer: token %d '%.40s' %s; the file does not mark it as a control token, "
                   "and it is taken as one",
                   id, vocab.tokens[static_cast<size_t>(id)].c_str(), note));
    }
}

}  // namespace

std::span<const std::string_view> end_of_turn_names() {
    return kEndOfTurn;
}

std::span<const std::string_view> end_of_text_names() {
    return kEndOfText;
}

void mark_control_tokens(Vocab & vocab) {
    constexpr const char * kEnds = "ends a reply or a text";
    std::unordered_map<std::string_view, const char *> notes;
    for (const std::string_view name : kEndOfTurn) notes[name] = kEnds;
    for (const std::string_view name : kEndOfText) notes[name] = kEnds;
    for (const std::string_view name : kFillInTheMiddle) notes[name] = nullptr;
    for (size_t i = 0; i < vocab.tokens.size(); i++) {
        const auto found = notes.find(vocab.tokens[i]);
        if (found != notes.end()) mark(vocab, static_cast<int32_t>(i), found->second);
    }
    for (const int32_t id : {vocab.eos, vocab.eot}) {
        if (id >= 0 && !text_can_become(vocab, id)) mark(vocab, id, kEnds);
    }
}

}  // namespace ql
