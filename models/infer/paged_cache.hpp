// A cache of keys and values in pages: the leaves that hold them, and which pages each sequence has, in the order of its
// tokens. Sequences share the pages of a beginning that they have in common; a sequence that goes on in a page
// which others also have gets a copy of it first.
#pragma once
#include <span>
#include <vector>

#include "models/graph/builder.hpp"
#include "models/infer/page_pool.hpp"

namespace ql {

/// Tokens of a page: as small as attention takes them (ql_attention_paged), for the last page of a sequence is half
/// empty on average.
inline constexpr int64_t kPageTokens = 64;

inline int64_t pages_of(int64_t tokens) {
    return (tokens + kPageTokens - 1) / kPageTokens;
}

/// How many more tokens a sequence is to have.
struct Growth {
    int64_t sequence = 0, tokens = 0;
};

class PagedCache {
  public:
    PagedCache(int64_t n_pages, int64_t n_sequences) : pool_(n_pages), sequences_(static_cast<size_t>(n_sequences)) {}

    const PagePool & pool() const { return pool_; }
    int64_t n_sequences() const { return static_cast<int64_t>(sequences_.size()); }
    int64_t position(int64_t sequence) const { return of(sequence).position; }
    /// A sequence's pages: those of its tokens, and those given to it for more.
    std::span<const int32_t> pages(int64_t sequence) const { return of(sequence).pages; }
    /// Where in the leaves a token's key and value are.
    int64_t row(int64_t sequence, int64_t position) const {
        return pages(sequence)[static_cast<size_t>(position / kPageTokens)] * kPageTokens + position % kPageTokens;
    }

    /// How many free pages the sequences, each named once, need to grow.
    int64_t pages_to_grow(std::span<const Growth> list) const;
    /// Gives a sequence the pages for more tokens, its own from its position on; as many as pages_to_grow says must be
    /// free. On an error the sequence is unchanged.
    Status grow(const KvCache & leaves, const Growth & growth);
    /// Counts tokens as read; their pages must be there.
    void advance(int64_t sequence, int64_t n) { of(sequence).position += n; }
    /// Keeps a sequence's first n tokens (n at most its position), and no pages but theirs.
    void truncate(int64_t sequence, int64_t n);
    /// Makes `to` a copy of `from`, all of whose pages it shares; the pages that it had before are given back.
    void fork(int64_t from, int64_t to);

  private:
    struct Sequence {
        int64_t position = 0;
        std::vector<int32_t> pages;
    };
    const Sequence & of(int64_t sequence) const { return sequences_[static_cast<size_t>(sequence)]; }
    Sequence & of(int64_t sequence) { return sequences_[static_cast<size_t>(sequence)]; }

    PagePool pool_;
    std::vector<Sequence> sequences_;
};

}  // namespace ql
