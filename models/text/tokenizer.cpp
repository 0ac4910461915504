// Puts the parts together: special tokens cut the text, an encoder turns what lies between into tokens, spans are kept
// throughout. BOS has one owner, this file: encode adds it only where the text does not begin with it already.
#include "models/text/tokenizer.hpp"

#include <algorithm>
#include <optional>

#include "models/text/bpe.hpp"
#include "models/text/byte_level.hpp"
#include "models/text/special_tokens.hpp"
#include "models/text/spm.hpp"
#include "models/text/unigram.hpp"

namespace ql {
namespace {

std::string sentence_piece_text(const std::string & token) {
    std::string text;
    for (size_t i = 0; i < token.size();) {
        const bool space = token.compare(i, 3, "\xE2\x96\x81") == 0;
        text.push_back(space ? ' ' : token[i]);
        i += space ? 3 : 1;
    }
    return text;
}

/// What a token reads as in running text.
std::string render(const Vocab & vocab, size_t i) {
    const std::string & token = vocab.tokens[i];
    switch (vocab.types[i]) {
        case TokenType::kControl:
        case TokenType::kUnknown:
        case TokenType::kUserDefined:
            return token;
        case TokenType::kByte:
            return std::string(1, static_cast<char>(byte_of_token(token)));
        default:
            break;
    }
    if (vocab.kind != TokenizerKind::kByteLevelBpe) return sentence_piece_text(token);
    return byte_level_decode(token).value_or(token);
}

/// Brings the ends of the tokens from `begin` on back to the text from which `normalized` was made.
void to_original(const NormalizedText & normalized, size_t begin, std::vector<TokenEnd> & tokens) {
    for (size_t i = begin; i < tokens.size(); i++) {
        tokens[i].end = tokens[i].end == 0 ? 0 : normalized.ends[tokens[i].end - 1];
    }
}

/// How the plain parts of a text start: its very first one, and those after special tokens in it.
struct Starts {
    TextStart first, later;
    TextStart at(size_t offset) const { return offset == 0 ? first : later; }
};

Starts starts_of(TextPlace place) {
    switch (place) {
        case TextPlace::kBegin:
            return {TextStart::kOfAll, TextStart::kBehindSpecial};
        case TextPlace::kMiddle:
            return {TextStart::kGoesOn, TextStart::kBehindSpecial};
        case TextPlace::kAnswer:
            break;
    }
    return {TextStart::kGoesOn, TextStart::kGoesOn};
}

}  // namespace

struct Tokenizer::Impl {
    explicit Impl(Vocab v) : vocab(std::move(v)), specials(vocab) {}
    Vocab vocab;
    SpecialTokens specials;
    std::optional<BytePairEncoder> byte_pairs;
    std::optional<SentencePieceEncoder> sentence_piece;
    std::optional<UnigramEncoder> unigram;
    std::vector<std::string> pieces;

    bool in_range(int32_t id) const { return id >= 0 && static_cast<size_t>(id) < pieces.size(); }
    TokenType type(int32_t id) const {
        return in_range(id) ? vocab.types[static_cast<size_t>(id)] : TokenType::kUnused;
    }
    /// Stands in texts by its own name: a fragment of its own when text is encoded.
    bool is_special(int32_t id) const {
        return type(id) == TokenType::kControl || type(id) == TokenType::kUnknown ||
               type(id) == TokenType::kUserDefined;
    }
    /// The tokens of text[begin, end), which holds no special tokens, with ends in the whole text.
    void encode_plain(std::string_view text, const Fragment & plain, const Starts & starts, bool parse_special,
                      std::vector<TokenEnd> & tokens) const {
        const std::string_view part = text.substr(plain.begin, plain.end - plain.begin);
        const size_t first = tokens.size();
        const TextStart start = starts.at(plain.begin);
        if (vocab.hugging_face || unigram) {
            encode_normalized(part, {start, starts.later}, parse_special, tokens);
        } else if (byte_pairs) {
            byte_pairs->encode(part, tokens);
        } else {
            sentence_piece->encode(part, start != TextStart::kGoesOn && vocab.add_space_prefix, tokens);
        }
        for (size_t i = first; i < tokens.size(); i++) tokens[i].end += plain.begin;
    }
    void encode_normalized(std::string_view text, const Starts & starts, bool parse_special,
                           std::vector<TokenEnd> & tokens) const;
    void encode_words(std::string_view text, TextStart start, std::vector<TokenEnd> & tokens) const;
    void encode_pieces(std::string_view text, std::vector<TokenEnd> & tokens) const {
        return unigram ? unigram->encode(text, tokens) : byte_pairs->encode(text, tokens);
    }
};

/// The way of a tokenizer.json: the normalizer, then the special tokens that are found in its result, then words.
void Tokenizer::Impl::encode_normalized(std::string_view text, const Starts & starts, bool parse_special,
                                        std::vector<TokenEnd> & tokens) const {
    if (vocab.normalizer.empty() && vocab.normalized.empty()) return encode_words(text, starts.first, tokens);
    const NormalizedText normalized = normalize(vocab.normalizer, text, starts.first);
    const std::string_view whole = normalized.text;
    Starts inner = starts;
    if (inner.first == TextStart::kOfAll && normalized.begin > 0) inner.first = TextStart::kBehindSpecial;
    const size_t first = tokens.size();
    for (const Fragment & fragment : specials.split_normalized(whole, parse_special)) {
        if (fragment.id >= 0) {
            tokens.push_back({fragment.id, fragment.end});
            continue;
        }
        const size_t before = tokens.size();
        encode_words(whole.substr(fragment.begin, fragment.end - fragment.begin), inner.at(fragment.begin), tokens);
        for (size_t i = before; i < tokens.size(); i++) tokens[i].end += fragment.begin;
    }
    to_original(normalized, first, tokens);
}

void Tokenizer::Impl::encode_words(std::string_view text, TextStart start, std::vector<TokenEnd> & tokens) const {
    if (vocab.word_normalizer.empty()) return encode_pieces(text, tokens);
    const NormalizedText normalized = normalize(vocab.word_normalizer, text, start);
    const size_t first = tokens.size();
    encode_pieces(normalized.text, tokens);
    to_original(normalized, first, tokens);
}

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer &&) noexcept = default;
Tokenizer & Tokenizer::operator=(Tokenizer &&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::from_gguf(const ql_gguf * file) {
    QL_ASSIGN(Vocab vocab, vocab_from_gguf(file));
    return from_vocab(std::move(vocab));
}

Result<Tokenizer> Tokenizer::from_hf(const std::string & directory) {
    QL_ASSIGN(Vocab vocab, vocab_from_hf(directory));
    return from_vocab(std::move(vocab));
}

Result<Tokenizer> Tokenizer::from_vocab(Vocab vocab) {
    QL_TRY(check_vocab(vocab));
    auto impl = std::make_unique<Impl>(std::move(vocab));
    if (impl->vocab.kind == TokenizerKind::kUnigram) {
        QL_ASSIGN(impl->unigram, UnigramEncoder::create(impl->vocab));
    } else if (impl->vocab.kind != TokenizerKind::kSentencePiece) {
        QL_ASSIGN(impl->byte_pairs, BytePairEncoder::create(impl->vocab));
        std::vector<std::string>().swap(impl->vocab.merges);  // the encoder has them in its own form
    } else {
        impl->sentence_piece.emplace(impl->vocab);
    }
    impl->pieces.reserve(impl->vocab.tokens.size());
    for (size_t i = 0; i < impl->vocab.tokens.size(); i++) impl->pieces.push_back(render(impl->vocab, i));
    return Tokenizer(std::move(impl));
}

Encoding Tokenizer::encode_with_spans(std::string_view text, bool add_special, bool parse_special,
                                      TextPlace place) const {
    const Vocab & vocab = impl_->vocab;
    std::vector<TokenEnd> tokens;
    const Starts starts = starts_of(place);
    for (const Fragment & fragment : impl_->specials.split(text, parse_special)) {
        if (fragment.id >= 0) {
            tokens.push_back({fragment.id, fragment.end});
        } else {
            impl_->encode_plain(text, fragment, starts, parse_special, tokens);
        }
    }
    if (!tokens.empty()) tokens.back().end = text.size();  // bytes that no token stands for

    Encoding encoding;
    encoding.tokens.reserve(tokens.size() + 2);
    encoding.spans.reserve(tokens.size() + 2);
    const auto add = [&](int32_t id, size_t begin, size_t end) {
        encoding.tokens.push_back(id);
        encoding.spans.push_back({begin, end});
    };
    if (add_special && vocab.add_bos && (tokens.empty() || tokens.front().id != vocab.bos)) add(vocab.bos, 0, 0);
    size_t begin = 0;
    for (const TokenEnd & token : tokens) {
        const size_t end = std::max(begin, token.end);
        add(token.id, begin, end);
        begin = end;
    }
    if (add_special && vocab.add_eos && (tokens.empty() || tokens.back().id != vocab.eos)) {
        add(vocab.eos, text.size(), text.size());
    }
    return encoding;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special, bool parse_special,
                                       TextPlace place) const {
    return encode_with_spans(text, add_special, parse_special, place).tokens;
}

std::string Tokenizer::decode(const std::vector<int32_t> & tokens, bool render_special) const {
    std::string text;
    bool after_special = true;
    for (const int32_t id : tokens) {
        const TokenType type = impl_->type(id);
        std::string_view piece = this->piece(id);
        if (impl_->is_special(id)) {
            if (render_special || type == TokenType::kUserDefined) text.append(piece);
            after_special = !impl_->vocab.space_prefix_once;
            continue;
        }
        if (after_special && impl_->vocab.add_space_prefix && piece.starts_with(' ')) piece.remove_prefix(1);
        text.append(piece);
        after_special = false;
    }
    return text;
}

const std::string & Tokenizer::piece(int32_t id) const {
    static const std::string none;
    return impl_->in_range(id) ? impl_->pieces[static_cast<size_t>(id)] : none;
}

int32_t Tokenizer::special_token(std::string_view text) const {
    return impl_->specials.find(text);
}

int32_t Tokenizer::n_tokens() const {
    return static_cast<int32_t>(impl_->pieces.size());
}
int32_t Tokenizer::bos() const {
    return impl_->vocab.bos;
}
int32_t Tokenizer::eos() const {
    return impl_->vocab.eos;
}
int32_t Tokenizer::eot() const {
    return impl_->specials.end_of_turn();
}
int32_t Tokenizer::padding() const {
    return impl_->vocab.padding;
}
int32_t Tokenizer::unknown() const {
    return impl_->vocab.unknown;
}
bool Tokenizer::add_bos() const {
    return impl_->vocab.add_bos;
}
bool Tokenizer::add_eos() const {
    return impl_->vocab.add_eos;
}
bool Tokenizer::is_control(int32_t id) const {
    return impl_->type(id) == TokenType::kControl || impl_->type(id) == TokenType::kUnknown;
}
bool Tokenizer::is_special(int32_t id) const {
    return impl_->is_special(id);
}
bool Tokenizer::is_end_of_generation(int32_t id) const {
    return impl_->specials.is_end_of_generation(id);
}
const std::vector<std::string> & Tokenizer::notes() const {
    return impl_->vocab.notes;
}

}  // namespace ql
