#include "models/train/embedding_pages.hpp"

#include <algorithm>

#include "models/base/memory.hpp"
#include "models/files/weight_names.hpp"
#include "models/quantize/convert_rows.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// Reads a byte of each page on which a row lies.
void touch(const Weight & table, std::span<const int32_t> rows) {
    const int64_t n_rows = table.elements() / table.ne[0];
    const size_t row = table.bytes / static_cast<size_t>(n_rows);
    const auto * const data = static_cast<const volatile std::byte *>(table.data);
    for (const int32_t r : rows) {
        if (r < 0 || r >= n_rows) continue;
        const size_t first = static_cast<size_t>(r) * row;
        for (size_t at = 0; at < row; at += kPageBytes) (void)data[first + at];
        (void)data[first + row - 1];
    }
}

}  // namespace

uint64_t unmapped_embedding(const Model & model, std::span<const int32_t> tokens) {
    const Weight * table = model.find(kEmbedding);
    if (!table || model.tied() || !model.is_mapped(*table) || !has_rows(table->dtype)) return 0;
    ql_gguf_forget(nullptr, table->data, table->bytes);
    const uint64_t before = ql_os_rss_without(nullptr, 0);
    touch(*table, tokens);
    const uint64_t after = ql_os_rss_without(nullptr, 0);
    return table->bytes - std::min<uint64_t>(table->bytes, after - std::min(after, before));
}

}  // namespace ql
