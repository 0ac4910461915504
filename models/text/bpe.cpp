// A word's symbols form a linked list; a heap holds its mergeable pairs by rank, the leftmost first among equals. A
// pair whose symbols have changed meanwhile is stale and dropped when it comes up: n symbols cost O(n log n). Words
// repeat, so one call remembers the words it has met.
#include "models/text/bpe.hpp"

#include <algorithm>
#include <unordered_set>

#include "models/base/utf8.hpp"
#include "models/text/byte_level.hpp"

namespace ql {
namespace {

uint64_t pair_key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

}  // namespace

struct BytePairEncoder::Workspace {
    struct Symbol {
        int32_t id;  // -1: joined to the one before
        int32_t previous, next;
        uint32_t size;  // bytes
    };
    struct Pair {
        int32_t rank, at;
        int32_t left, right;                        // the symbols' ids when it was found
        bool operator<(const Pair & other) const {  // of a max-heap
            return rank != other.rank ? rank > other.rank : at > other.at;
        }
    };
    void add(int32_t id, size_t size) {
        const auto i = static_cast<int32_t>(symbols.size());
        if (i > 0) symbols.back().next = i;
        symbols.push_back({id, i - 1, -1, static_cast<uint32_t>(size)});
    }
    std::vector<Symbol> symbols;
    std::vector<Pair> heap;
    std::vector<TokenEnd> tokens;  // of all distinct words so far, ends counted from the word's beginning
    std::unordered_map<std::string_view, std::pair<size_t, size_t>> words;  // their ranges in `tokens`
};

Result<BytePairEncoder> BytePairEncoder::create(const Vocab & vocab) {
    const bool named = !vocab.hugging_face || !vocab.pre.empty();
    QL_ASSIGN(PreTokenizer pre, named ? PreTokenizer::create(vocab.pre) : PreTokenizer::create(vocab.pre_steps));
    BytePairEncoder encoder(std::move(pre));
    encoder.add_tokens(vocab);
    encoder.merges_.reserve(vocab.merges.size());
    for (size_t i = 0; i < vocab.merges.size(); i++) {
        QL_TRY(encoder.add_merge(vocab.merges[i], static_cast<int32_t>(i)));
    }
    return encoder;
}

void BytePairEncoder::add_tokens(const Vocab & vocab) {
    kind_ = vocab.kind;
    ignore_merges_ = vocab.ignore_merges;
    hugging_face_ = vocab.hugging_face;
    fallback_ = vocab.fallback;
    fuse_fallback_ = vocab.fuse_fallback;
    byte_fallback_ = vocab.byte_fallback;
    n_tokens_ = static_cast<int32_t>(vocab.tokens.size());
    symbols_.reserve(vocab.tokens.size());
    whole_words_.resize(vocab.tokens.size());
    const std::unordered_set<int32_t> added_only(vocab.added_only.begin(), vocab.added_only.end());
    for (size_t i = 0; i < vocab.tokens.size(); i++) {
        const TokenType type = vocab.types[i];  // text never becomes a control token by merging ...
        const bool special =
            type == TokenType::kControl || type == TokenType::kUnknown || type == TokenType::kUserDefined;
        whole_words_[i] = !special;
        if (special && !hugging_face_) continue;
        // ... unless the model itself has merges to it, as a tokenizer.json may.
        if (vocab.tokens[i].empty() || added_only.contains(static_cast<int32_t>(i))) continue;
        if (auto bytes = bytes_of(vocab.tokens[i])) symbols_[*bytes] = static_cast<int32_t>(i);
    }
    for (int byte = 0; byte < 256; byte++) {
        const auto i = static_cast<size_t>(byte);
        const std::string text(1, static_cast<char>(byte));
        bytes_[i] = hugging_face_ ? find_token(text) : symbol_of(text);
        byte_tokens_[i] = find_token(format("<0x%02X>", static_cast<unsigned>(byte)));
    }
}

/// What a symbol of the file stands for in the texts that are encoded.
std::optional<std::string> BytePairEncoder::bytes_of(std::string_view symbol) const {
    return kind_ == TokenizerKind::kByteLevelBpe ? byte_level_decode(symbol) : std::string(symbol);
}

int32_t BytePairEncoder::find_token(std::string_view bytes) const {
    const auto found = symbols_.find(std::string(bytes));
    return found == symbols_.end() ? -1 : found->second;
}

Status BytePairEncoder::add_merge(std::string_view line, int32_t rank) {
    const size_t space = line.find(' ', 1);
    const auto left = bytes_of(line.substr(0, space));
    const auto right = bytes_of(space == line.npos ? std::string_view() : line.substr(space + 1));
    const auto refuse = [&](const char * what) {
        return error(QL_BAD_FILE, "tokenizer: merge %d is '%.*s', %s", rank,
                     static_cast<int>(std::min<size_t>(line.size(), 80)), line.data(), what);
    };
    if (!left || !right || left->empty() || right->empty())
        return refuse("not two symbols of the vocabulary's alphabet with a space between");
    if (hugging_face_) {
        const int32_t l = find_token(*left), r = find_token(*right), joined = find_token(*left + *right);
        if (l < 0 || r < 0 || joined < 0) return refuse("and not all of its symbols are tokens");
        merges_.insert_or_assign(pair_key(l, r), Merge{rank, joined});  // the last of equals counts
        return {};
    }
    const int32_t a = symbol_of(*left), b = symbol_of(*right);
    merges_.try_emplace(pair_key(a, b), Merge{rank, symbol_of(*left + *right)});  // the first of equals counts
    return {};
}

int32_t BytePairEncoder::symbol_of(const std::string & bytes) {
    const auto next = static_cast<int32_t>(static_cast<size_t>(n_tokens_) + extra_.size());
    const auto [found, is_new] = symbols_.try_emplace(bytes, next);
    if (is_new) extra_.push_back(bytes);
    return found->second;
}

const BytePairEncoder::Merge * BytePairEncoder::find_merge(int32_t left, int32_t right) const {
    const auto found = merges_.find(pair_key(left, right));
    return found == merges_.end() ? nullptr : &found->second;
}

void BytePairEncoder::encode(std::string_view text, std::vector<TokenEnd> & tokens) const {
    std::vector<std::string_view> words;
    pre_.split(text, words);
    Workspace work;
    for (const std::string_view word : words) {
        const auto [known, is_new] = work.words.try_emplace(word, work.tokens.size(), 0);
        if (is_new) {
            encode_word(word, work);
            known->second.second = work.tokens.size();
        }
        const auto begin = static_cast<size_t>(word.data() - text.data());
        for (size_t i = known->second.first; i < known->second.second; i++) {
            tokens.push_back({work.tokens[i].id, begin + work.tokens[i].end});
        }
    }
}

void BytePairEncoder::encode_word(std::string_view word, Workspace & work) const {
    if (ignore_merges_) {
        const auto found = symbols_.find(std::string(word));
        if (found != symbols_.end() && found->second < n_tokens_ && whole_words_[static_cast<size_t>(found->second)]) {
            work.tokens.push_back({found->second, word.size()});
            return;
        }
    }
    work.symbols.clear();
    if (hugging_face_) {
        start_characters(word, work);
    } else {
        start_bytes(word, work);
    }
    merge_pairs(work);
    size_t end = 0;
    for (int32_t i = work.symbols.empty() ? -1 : 0; i >= 0; i = work.symbols[static_cast<size_t>(i)].next) {
        end += work.symbols[static_cast<size_t>(i)].size;
        emit(work.symbols[static_cast<size_t>(i)].id, end, work);
    }
}

void BytePairEncoder::start_bytes(std::string_view word, Workspace & work) const {
    for (const char byte : word) work.add(bytes_[static_cast<unsigned char>(byte)], 1);
}

/// The symbols of a word as a tokenizer.json has them. A character that is no token becomes byte tokens, else the
/// fallback token, which a run of such characters may share, else nothing: its bytes then count for the next symbol.
/// (The fallback token waits until a known character or the end comes; byte tokens do not end the wait.)
void BytePairEncoder::start_characters(std::string_view word, Workspace & work) const {
    size_t dropped = 0, waiting = 0;
    const auto flush = [&] {
        if (waiting > 0) work.add(fallback_, waiting);
        waiting = 0;
    };
    for (size_t i = 0; i < word.size();) {
        const bool byte_level = kind_ == TokenizerKind::kByteLevelBpe;
        const Utf8Unit unit = byte_level ? Utf8Unit{} : next_utf8(word.substr(i));
        const size_t size = unit.kind == Utf8Unit::kComplete ? unit.size : 1;
        const std::string_view character = word.substr(i, size);
        const int32_t id = byte_level ? bytes_[static_cast<unsigned char>(word[i])] : find_token(character);
        i += size;
        if (id >= 0) {
            flush();
            work.add(id, size + dropped);
            dropped = 0;
        } else if (byte_fallback_ && start_byte_tokens(character, dropped, work)) {
            dropped = 0;
        } else if (fallback_ < 0) {
            dropped += size;
        } else {
            if (!fuse_fallback_) flush();
            waiting += size + dropped;
            dropped = 0;
        }
    }
    flush();
}

bool BytePairEncoder::start_byte_tokens(std::string_view character, size_t dropped, Workspace & work) const {
    const auto token = [&](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)]; };
    if (std::any_of(character.begin(), character.end(), [&](char byte) { return token(byte) < 0; })) return false;
    for (const char byte : character) {
        work.add(token(byte), 1 + dropped);
        dropped = 0;
    }
    return true;
}

void BytePairEncoder::merge_pairs(Workspace & work) const {
    const auto symbol = [&](int32_t i) -> Workspace::Symbol & { return work.symbols[static_cast<size_t>(i)]; };
    const auto push = [&](int32_t at) {
        const int32_t next = at < 0 ? -1 : symbol(at).next;
        if (next < 0) return;
        const int32_t left = symbol(at).id, right = symbol(next).id;
        if (const Merge * merge = find_merge(left, right)) {
            work.heap.push_back({merge->rank, at, left, right});
            std::push_heap(work.heap.begin(), work.heap.end());
        }
    };
    for (int32_t i = 0; i + 1 < static_cast<int32_t>(work.symbols.size()); i++) push(i);
    while (!work.heap.empty()) {
        std::pop_heap(work.heap.begin(), work.heap.end());
        const Workspace::Pair pair = work.heap.back();
        work.heap.pop_back();
        Workspace::Symbol & left = symbol(pair.at);
        if (left.id != pair.left || left.next < 0 || symbol(left.next).id != pair.right) continue;  // stale
        Workspace::Symbol & right = symbol(left.next);
        left.id = find_merge(pair.left, pair.right)->result;
        left.size += right.size;
        right.id = -1;
        left.next = right.next;
        if (left.next >= 0) symbol(left.next).previous = pair.at;
        push(left.previous);
        push(pair.at);
    }
}

void BytePairEncoder::emit(int32_t symbol, size_t end, Workspace & work) const {
    if (symbol < n_tokens_) {
        work.tokens.push_back({symbol, end});
        return;
    }
    const std::string & bytes = extra_[static_cast<size_t>(symbol - n_tokens_)];  // no token: byte by byte
    for (size_t i = 0; i < bytes.size(); i++) {
        const int32_t id = bytes_[static_cast<unsigned char>(bytes[i])];
        if (id < n_tokens_) work.tokens.push_back({id, end - bytes.size() + i + 1});
    }
}

}  // namespace ql
