#include "models/infer/paged_cache.hpp"

#include <cstddef>
#include <map>

#include "ql/ql.hpp"

namespace ql {
namespace {

/// Copies the first n rows of one page of a leaf to another.
Status copy_rows(ql_tensor * leaf, int32_t from, int32_t to, int64_t n) {
    const size_t row = ql_tensor_bytes(leaf) / static_cast<size_t>(ql_tensor_ne(leaf, 1)),
                 page = row * static_cast<size_t>(kPageTokens);
    std::vector<std::byte> rows(row * static_cast<size_t>(n));
    QL_TRY(ql_tensor_read(leaf, rows.data(), static_cast<size_t>(from) * page, rows.size()));
    return ql_tensor_write(leaf, rows.data(), static_cast<size_t>(to) * page, rows.size());
}

Status copy_page(const KvCache & leaves, int32_t from, int32_t to, int64_t n) {
    for (const auto * list : {&leaves.k, &leaves.v})
        for (ql_tensor * leaf : *list) QL_TRY(copy_rows(leaf, from, to, n));
    return {};
}

}  // namespace

int64_t PagedCache::pages_to_grow(std::span<const Growth> list) const {
    int64_t n = 0;
    std::map<int32_t, int64_t> owners;  // of pages that are begun, without those that get a copy
    for (const Growth & g : list) {
        const Sequence & s = of(g.sequence);
        n += pages_of(s.position + g.tokens) - static_cast<int64_t>(s.pages.size());
        if (s.position % kPageTokens == 0) continue;
        int64_t & left = owners.emplace(s.pages.back(), pool_.owners(s.pages.back())).first->second;
        if (left > 1) --left, ++n;
    }
    return n;
}

Status PagedCache::grow(const KvCache & leaves, const Growth & growth) {
    Sequence & s = of(growth.sequence);
    const int64_t begun = s.position % kPageTokens;
    if (begun && pool_.owners(s.pages.back()) > 1) {
        const int32_t page = pool_.take();
        const Status copied = copy_page(leaves, s.pages.back(), page, begun);
        pool_.release(copied.ok() ? s.pages.back() : page);
        QL_TRY(copied);
        s.pages.back() = page;
    }
    while (static_cast<int64_t>(s.pages.size()) < pages_of(s.position + growth.tokens)) s.pages.push_back(pool_.take());
    return {};
}

void PagedCache::truncate(int64_t sequence, int64_t n) {
    Sequence & s = of(sequence);
    s.position = n;
    for (; static_cast<int64_t>(s.pages.size()) > pages_of(n); s.pages.pop_back()) pool_.release(s.pages.back());
}

void PagedCache::fork(int64_t from, int64_t to) {
    if (from == to) return;
    truncate(to, 0);
    for (const int32_t page : of(from).pages) pool_.share(page);
    of(to) = of(from);
}

}  // namespace ql
