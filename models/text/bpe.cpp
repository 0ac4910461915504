// A word's symbols form a linked list; a heap holds its mergeable pairs by rank, the leftmost first among equals. A
// pair whose symbols have changed meanwhile is stale and dropped when it comes up: n symbols cost O(n log n). Words
// repeat, so one call remembers the words it has met.
#include "models/text/bpe.hpp"

#include <algorithm>

#include "models/text/byte_level.hpp"

namespace ql {

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
    std::vector<Symbol> symbols;
    std::vector<Pair> heap;
    std::vector<TokenEnd> tokens;  // of all distinct words so far, ends counted from the word's begin
    std::unordered_map<std::string_view, std::pair<size_t, size_t>> words;  // their ranges in `tokens`
};

Result<BytePairEncoder> BytePairEncoder::create(const Vocab & vocab) {
    QL_ASSIGN(PreTokenizer pre, PreTokenizer::create(vocab.pre));
    BytePairEncoder encoder(std::move(pre));
    encoder.ignore_merges_ = vocab.ignore_merges;
    encoder.n_tokens_ = static_cast<int32_t>(vocab.tokens.size());
    encoder.symbols_.reserve(vocab.tokens.size());
    for (size_t i = 0; i < vocab.tokens.size(); i++) {
        const TokenType type = vocab.types[i];  // text never becomes a control token by merging
        if (type == TokenType::kControl || type == TokenType::kUnknown || type == TokenType::kUserDefined) continue;
        if (auto bytes = byte_level_decode(vocab.tokens[i])) encoder.symbols_[*bytes] = static_cast<int32_t>(i);
    }
    for (int byte = 0; byte < 256; byte++) {
        encoder.bytes_[static_cast<size_t>(byte)] = encoder.symbol_of(std::string(1, static_cast<char>(byte)));
    }
    encoder.merges_.reserve(vocab.merges.size());
    for (size_t i = 0; i < vocab.merges.size(); i++) {
        QL_TRY(encoder.add_merge(vocab.merges[i], static_cast<int32_t>(i)));
    }
    return encoder;
}

Status BytePairEncoder::add_merge(std::string_view line, int32_t rank) {
    const size_t space = line.find(' ', 1);
    const auto left = byte_level_decode(line.substr(0, space));
    const auto right = byte_level_decode(space == line.npos ? std::string_view() : line.substr(space + 1));
    if (!left || !right || left->empty() || right->empty()) {
        return error(QL_BAD_FILE, "tokenizer: merge %d is '%.*s', not two byte-level symbols with a space between",
                     rank, static_cast<int>(std::min<size_t>(line.size(), 80)), line.data());
    }
    const auto a = static_cast<uint32_t>(symbol_of(*left)), b = static_cast<uint32_t>(symbol_of(*right));
    merges_.try_emplace(uint64_t{a} << 32 | b, Merge{rank, symbol_of(*left + *right)});  // the first of equals counts
    return {};
}

int32_t BytePairEncoder::symbol_of(const std::string & bytes) {
    const auto next = static_cast<int32_t>(static_cast<size_t>(n_tokens_) + extra_.size());
    const auto [found, is_new] = symbols_.try_emplace(bytes, next);
    if (is_new) extra_.push_back(bytes);
    return found->second;
}

const BytePairEncoder::Merge * BytePairEncoder::find_merge(int32_t left, int32_t right) const {
    const auto found = merges_.find(uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right));
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
        if (found != symbols_.end() && found->second < n_tokens_) {
            work.tokens.push_back({found->second, word.size()});
            return;
        }
    }
    work.symbols.clear();
    const auto n = static_cast<int32_t>(word.size());
    for (int32_t i = 0; i < n; i++) {
        const int32_t id = bytes_[static_cast<unsigned char>(word[static_cast<size_t>(i)])];
        work.symbols.push_back({id, i - 1, i + 1 < n ? i + 1 : -1, 1});
    }
    merge_pairs(work);
    size_t end = 0;
    for (int32_t i = 0; i >= 0 && i < n; i = work.symbols[static_cast<size_t>(i)].next) {
        end += work.symbols[static_cast<size_t>(i)].size;
        emit(work.symbols[static_cast<size_t>(i)].id, end, work);
    }
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
