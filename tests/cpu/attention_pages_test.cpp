// Attention over pages: the bits of the same keys in a row, wherever the pages lie.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "cpu/attention_cases.hpp"
#include "cpu/attention_paths.hpp"
#include "ql/ops.h"

namespace ql::cpu {
namespace {

using Size = AttentionSize;

/// Few queries and many; keys that fill no page; groups of more rows than share a key; tails of vectors.
constexpr Size kSizes[] = {
    {"d64 H9/3 T1 of 600", 64, 9, 3, 1, 600},   {"d33 H10/2 T8 of 257", 33, 10, 2, 8, 257},
    {"d128 H7/1 T2 of 256", 128, 7, 1, 2, 256}, {"d80 H4/4 T3 of 70", 80, 4, 4, 3, 70},
    {"d1 H6/1 T1 of 3", 1, 6, 1, 1, 3},         {"d7 H8/1 T5 of 519", 7, 8, 1, 5, 519},
    {"d64 H9/3 T70 of 200", 64, 9, 3, 70, 200}, {"d33 H4/2 T9 of 590", 33, 4, 2, 9, 590},
};

int64_t entries_for(int64_t keys, int64_t page) {
    return (keys + page - 1) / page;
}

class AttentionPages : public testing::TestWithParam<AttentionPath> {
  protected:
    static void launch(KernelRun & run, int threads) {
        CpuDevice cpu = GetParam().device(threads);
        const Status status = run.launch(cpu, GetParam().kernel(op::attention));
        ASSERT_TRUE(status.ok()) << status.message();
    }
    static std::byte * bytes(KernelRun & run, size_t i) {
        return static_cast<std::byte *>(run.memory.data(run.source(i)));
    }
    static size_t row_bytes(KernelRun & run, size_t i) {
        const Operand & t = *run.source(i);
        return ql_dtype_bytes(t.dtype, t.ne(0) * t.ne(1));
    }
    /// Sets every number to NaN, in either type.
    static void spoil(KernelRun & run) {
        for (const size_t i : {1, 2}) std::fill_n(bytes(run, i), run.source(i)->bytes(), std::byte{0xff});
    }
    /// Copies key `from` to the place that the table gives key `to`.
    static void move_key(KernelRun & flat, int64_t from, KernelRun & paged, int64_t to) {
        const int64_t page = paged.source(1)->ne(2), row = paged.ints(4)[to / page] * page + to % page;
        for (const size_t i : {1, 2}) {
            const size_t n = row_bytes(flat, i);
            std::copy_n(bytes(flat, i) + static_cast<size_t>(from) * n, n,
                        bytes(paged, i) + static_cast<size_t>(row) * n);
        }
    }
    static void expect_same(KernelRun & flat, KernelRun & paged) {
        for (const size_t i : {0, 1}) EXPECT_TRUE(same_bits(flat.out(i), paged.out(i))) << i;
    }
};

TEST_P(AttentionPages, GiveTheBitsOfKeysInARowInAnyOrderWhateverTheThreads) {
    for (const Size & s : kSizes)
        for (const ql_dtype type : {QL_F16, QL_F32})
            for (const int64_t page : {64, 128})
                for (const int threads : {1, 3}) {
                    SCOPED_TRACE(s.name + (", pages of " + std::to_string(page)) + ", " + ql_dtype_name(type));
                    const int64_t n = entries_for(s.keys, page);
                    Case row = cached_case(s);
                    for (const size_t i : {1, 2}) row.in[i] = cache_in(row.in[i].shape, type);
                    KernelRun flat(op::attention, row), paged(op::attention, paged_case(s, type, page, n, n + 2));
                    std::copy_n(flat.in(0), flat.source(0)->shape.elements(), paged.in(0));
                    std::copy_n(flat.ints(3), flat.source(3)->shape.elements(), paged.ints(3));
                    spoil(paged);
                    for (int64_t j = 0; j < s.keys; ++j) move_key(flat, j, paged, j);
                    launch(flat, 1);
                    launch(paged, threads);
                    expect_same(flat, paged);
                }
}

/// A part of a sequence's queries, and the keys that the last of them sees.
struct Part {
    int64_t tokens, keys;
};

/// Copies some queries of one sequence, with their spans.
void take_queries(KernelRun & batch, int64_t first, KernelRun & alone, const Part & part, int64_t first_key) {
    const int64_t width = batch.source(0)->ne(0) * batch.source(0)->ne(1);
    std::copy_n(batch.in(0) + first * width, part.tokens * width, alone.in(0));
    for (int64_t t = 0; t < part.tokens; ++t) {
        const auto end = static_cast<int32_t>(part.keys - part.tokens + t + 1), begin = std::max(0, end - 400);
        alone.ints(3)[2 * t] = begin, alone.ints(3)[2 * t + 1] = end;
        batch.ints(3)[2 * (first + t)] = static_cast<int32_t>(first_key) + begin;
        batch.ints(3)[2 * (first + t) + 1] = static_cast<int32_t>(first_key) + end;
    }
}

void expect_part(KernelRun & batch, int64_t first, KernelRun & alone, int64_t tokens) {
    for (const size_t i : {0, 1}) {
        const auto all = batch.out(i), expected = alone.out(i);
        const auto width = static_cast<std::ptrdiff_t>(expected.size()) / tokens;
        const std::vector<float> part(all.begin() + first * width, all.begin() + (first + tokens) * width);
        EXPECT_TRUE(same_bits(part, expected)) << "query " << first << " result " << i;
    }
}

/// Each sequence has a window of 400 keys.
TEST_P(AttentionPages, OfSequencesOfABatchGiveEachTheBitsItHasAlone) {
    const std::vector<std::vector<Part>> batches = {{{1, 70}, {3, 530}, {2, 5}}, {{20, 70}, {33, 630}, {9, 9}}};
    constexpr int64_t kPage = 64, kApart = QL_KEYS_APART / kPage;
    for (const std::vector<Part> & parts : batches) {
        Size all{"batch", 24, 6, 2, 0, 0};
        int64_t entries = 0, first_query = 0, first_key = 0;
        for (const Part & p : parts) {
            all.tokens += p.tokens;
            entries += entries_for(p.keys, QL_KEYS_APART) * kApart;
        }
        KernelRun batch(op::attention, paged_case(all, QL_F16, kPage, entries, entries + 1));
        std::deque<KernelRun> alone;
        for (const Part & p : parts) {
            KernelRun & one = alone.emplace_back(
                op::attention, cached_case({"alone", all.d, all.heads, all.kv, p.tokens, p.keys}), 7 + alone.size());
            take_queries(batch, first_query, one, p, first_key);
            for (int64_t j = 0; j < p.keys; ++j) move_key(one, j, batch, first_key + j);
            launch(one, 2);
            first_query += p.tokens;
            first_key += entries_for(p.keys, QL_KEYS_APART) * QL_KEYS_APART;
        }
        launch(batch, 2);
        first_query = 0;
        for (size_t i = 0; i < parts.size(); ++i) {
            expect_part(batch, first_query, alone[i], parts[i].tokens);
            first_query += parts[i].tokens;
        }
    }
}

TEST_P(AttentionPages, NumbersOfPagesThatAreNotThereReadNothingElse) {
    for (const int64_t tokens : {2, 20}) {
        const Size s{"outside", 16, 2, 1, tokens, 128};
        KernelRun wrong(op::attention, paged_case(s, QL_F16, 64, 2, 3)),
            cut(op::attention, paged_case(s, QL_F16, 64, 2, 3));
        wrong.ints(4)[0] = -5, wrong.ints(4)[1] = INT32_MAX;
        cut.ints(4)[0] = 0, cut.ints(4)[1] = 2;
        for (KernelRun * r : {&wrong, &cut}) launch(*r, 2);
        expect_same(wrong, cut);
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, AttentionPages, testing::ValuesIn(attention_paths()),
                         [](const auto & info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ql::cpu
