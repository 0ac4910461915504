#include "models/text/unigram.hpp"

#include <algorithm>
#include <limits>

#include "models/base/utf8.hpp"

namespace ql {

namespace {

constexpr double kUnknownPenalty = 10;  // SentencePiece's kUnkPenalty
/// A text may match a piece's beginning at each of its bytes, so this bounds the time. Trained pieces have 16 characters.
constexpr size_t kLongestPiece = 512;

bool is_text(TokenType type) {
    return type == TokenType::kNormal || type == TokenType::kUserDefined || type == TokenType::kUnused;
}

}  // namespace

struct UnigramEncoder::Step {
    double score = -std::numeric_limits<double>::infinity();
    size_t from = 0;
    int32_t id = -1;  // -1: unknown

    void offer(double other, size_t begin, int32_t token) {
        if (other > score) *this = {other, begin, token};
    }
};

Result<UnigramEncoder> UnigramEncoder::create(const Vocab & vocab) {
    QL_ASSIGN(PreTokenizer pre, PreTokenizer::create(vocab.pre_steps));
    UnigramEncoder encoder(std::move(pre));
    encoder.unknown_ = vocab.hugging_face ? vocab.fallback : vocab.unknown;
    QL_TRY(encoder.add_pieces(vocab));
    return encoder;
}

Status UnigramEncoder::add_pieces(const Vocab & vocab) {
    bytes_.fill(-1);
    std::vector<bool> added(vocab.tokens.size());
    for (const int32_t id : vocab.added_only) added[static_cast<size_t>(id)] = true;
    double least = 0;
    for (size_t i = 0; i < vocab.tokens.size(); ++i) {
        const std::string & text = vocab.tokens[i];
        const TokenType type = vocab.types[i];
        if (type == TokenType::kByte) bytes_[static_cast<size_t>(byte_of_token(text))] = static_cast<int32_t>(i);
        if (added[i] || text.empty()) continue;
        if (text.size() > kLongestPiece)
            return error(QL_UNSUPPORTED, "piece %zu of the vocabulary has %zu bytes, at most %zu are read", i,
                         text.size(), kLongestPiece);
        if (vocab.hugging_face || type == TokenType::kNormal) least = std::min(least, vocab.log_probabilities[i]);
        const double score = type == TokenType::kUserDefined && !vocab.hugging_face ? 0 : vocab.log_probabilities[i];
        if (is_text(type)) pieces_.push_back({text, static_cast<int32_t>(i), score});
    }
    unknown_score_ = least - kUnknownPenalty;
    const bool complete = std::find(bytes_.begin(), bytes_.end(), -1) == bytes_.end();
    if (!vocab.byte_fallback || !complete) bytes_.fill(-1);
    std::stable_sort(pieces_.begin(), pieces_.end(), [](const Piece & a, const Piece & b) { return a.text < b.text; });
    for (size_t i = 0; i < pieces_.size(); ++i) {
        auto & [begin, end] = first_[static_cast<unsigned char>(pieces_[i].text[0])];
        if (end == 0) begin = static_cast<uint32_t>(i);
        end = static_cast<uint32_t>(i + 1);
    }
    return {};
}

/// Offers every token that the word has at `at`, short ones first: the range of the pieces that begin with these bytes
/// becomes narrower with each byte.
void UnigramEncoder::walk(std::string_view word, size_t at, std::vector<Step> & steps) const {
    const size_t character = character_size(word.substr(at));
    const double here = steps[at].score;
    bool single = false;
    auto [begin, end] = first_[static_cast<unsigned char>(word[at])];
    for (size_t size = 1; begin < end; ++size) {
        if (pieces_[begin].text.size() == size) {
            steps[at + size].offer(here + pieces_[begin].score, at, pieces_[begin].id);
            single = single || size == character;
            while (begin < end && pieces_[begin].text.size() == size) ++begin;
        }
        if (at + size == word.size()) break;
        const auto byte = static_cast<unsigned char>(word[at + size]);
        const auto first = pieces_.begin() + begin, last = pieces_.begin() + end;
        const auto byte_of = [size](const Piece & p) { return static_cast<unsigned char>(p.text[size]); };
        const auto low = std::partition_point(first, last, [&](const Piece & p) { return byte_of(p) < byte; });
        const auto high = std::partition_point(low, last, [&](const Piece & p) { return byte_of(p) == byte; });
        begin = static_cast<uint32_t>(low - pieces_.begin());
        end = static_cast<uint32_t>(high - pieces_.begin());
    }
    if (!single) steps[at + character].offer(here + unknown_score_, at, -1);
}

void UnigramEncoder::encode_word(std::string_view word, size_t begin, std::vector<TokenEnd> & tokens) const {
    std::vector<Step> steps(word.size() + 1);
    steps[0].score = 0;
    for (size_t at = 0; at < word.size(); at += character_size(word.substr(at))) walk(word, at, steps);
    std::vector<size_t> ends;
    for (size_t at = word.size(); at > 0; at = steps[at].from) ends.push_back(at);
    size_t unknown = word.size();  // where the unknown characters so far begin
    for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
        const Step & step = steps[*end];
        if (step.id < 0) {
            unknown = std::min(unknown, step.from);
            if (std::next(end) != ends.rend() && steps[*std::next(end)].id < 0) continue;
            emit_unknown(word.substr(unknown, *end - unknown), begin + unknown, tokens);
            unknown = word.size();
        } else {
            tokens.push_back({step.id, begin + *end});
        }
    }
}

int32_t UnigramEncoder::find(std::string_view text) const {
    const auto found =
        std::partition_point(pieces_.begin(), pieces_.end(), [&](const Piece & p) { return p.text < text; });
    return found != pieces_.end() && found->text == text ? found->id : -1;
}

/// Unknown characters side by side may still be a token that the best path did not take.
void UnigramEncoder::emit_unknown(std::string_view text, size_t begin, std::vector<TokenEnd> & tokens) const {
    if (const int32_t id = find(text); id >= 0) {
        tokens.push_back({id, begin + text.size()});
    } else if (bytes_[0] >= 0) {
        for (size_t i = 0; i < text.size(); ++i)
            tokens.push_back({bytes_[static_cast<unsigned char>(text[i])], begin + i + 1});
    } else if (unknown_ >= 0) {
        tokens.push_back({unknown_, begin + text.size()});
    }
}

void UnigramEncoder::encode(std::string_view text, std::vector<TokenEnd> & tokens) const {
    std::vector<std::string_view> words;
    pre_.split(text, words);
    for (const std::string_view word : words)
        if (!word.empty()) encode_word(word, static_cast<size_t>(word.data() - text.data()), tokens);
}

}  // namespace ql
