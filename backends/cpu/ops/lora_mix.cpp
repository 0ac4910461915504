// y = (r +) W x + sum_i s_i(t) B_i A_i x.
//
// Where all tokens have the same factors, this is a sum of products like any other, and the branches that are switched
// off are left out. Else runs of tokens with the same factors are multiplied run by run, tokens of short runs one by one
// (branches.hpp), and W with all of them. Up to kGemvRows tokens are one by one in any case: their branches are added
// where W's rows are multiplied.
//
// Split of work: that of the products; of tokens one by one, their branches. Memory traffic: the adapters that some
// token has, and W once; where factors differ, y is written once more.
#include <bit>
#include <cstring>

#include "backends/cpu/ops/product_operands.hpp"
#include "backends/cpu/products/branches.hpp"
#include "backends/cpu/products/gemv.hpp"
#include "backends/cpu/scratch.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

constexpr size_t kFirst = 3;    // source of the first branch
constexpr int64_t kMinRun = 5;  // more than gemv's tokens: a product is then faster than tokens one by one
constexpr int64_t kMixColumns = 256;

constexpr size_t kMaxActive = kMaxTerms - 1;  // branches in a product with W

/// A node and its scratch, with or without addresses.
struct Mix {
    const Node & node;
    const void * const * src;
    int64_t k, m, tokens;
    bool x_bf16, c_bf16;
    Branches branches;
    TokenBranch * pairs;  // tokens one by one, with the branches that they have
    int32_t * singles;    // tokens one by one
    float *row, *sum;
    std::byte * products;

    Mix(Carver & carve, const Node & n, const void * const * from, const CpuDevice & cpu)
        : node(n),
          src(from),
          k(n.src[0]->ne(0)),
          m(n.src[0]->ne(1)),
          tokens(n.src[1]->ne(1)),
          x_bf16(n.src[1]->dtype == QL_BF16),
          c_bf16(n.out[0]->dtype == QL_BF16) {
        branches.s_row = n.src[2]->ne(0);
        for (uint64_t left = n.params.as<LoraMixParams>().adapters; left; left &= left - 1) {
            const size_t at = kFirst + 2 * branches.n;
            const float * s = from ? static_cast<const float *>(from[2]) + std::countr_zero(left) : nullptr;
            branches.list[branches.n++] = {weight(at), weight(at + 1), s, carve.take<float>(n.src[at]->ne(1) * tokens)};
        }
        pairs = carve.take<TokenBranch>(static_cast<int64_t>(branches.n) * tokens);
        singles = carve.take<int32_t>(tokens);
        row = carve.take<float>(k * cpu.pool.threads());
        sum = carve.take<float>(c_bf16 ? m * tokens : 0);
        products = carve.take<std::byte>(static_cast<int64_t>(product_bytes(cpu)));
    }

    Weight weight(size_t i) const { return weight_of(*node.src[i], src ? src[i] : nullptr); }
    const float * rest(int64_t token) const {
        return node.src.size() % 2 ? nullptr : static_cast<const float *>(src[node.src.size() - 1]) + token * m;
    }
    Product base() const { return product_at(node, src, 0, Side::forward); }
    Product down(const Branch & b, int64_t token) const {
        const auto * x = src ? static_cast<const std::byte *>(src[1]) + token * k * (x_bf16 ? 2 : 4) : nullptr;
        return {b.a, Side::forward, x, 1, x_bf16};
    }
    Product up(const Branch & b, int64_t token, float s) const {
        return {b.bt, Side::backward, b.h ? b.h + token * b.r() : nullptr, s};
    }

  private:
    /// The most that a product needs: W with as many branches as it takes, of the highest rank.
    size_t product_bytes(const CpuDevice & cpu) const {
        const auto all = branches.all();
        const auto less = [](const Branch & x, const Branch & y) { return x.r() < y.r(); };
        const Branch & largest = *std::max_element(all.begin(), all.end(), less);
        std::array<Product, kMaxTerms> terms;
        terms.fill(up(largest, 0, 1));
        terms[0] = base();
        const size_t n = tokens > kGemvRows ? 1 + std::min(branches.n, kMaxActive) : 1;
        const Product d = down(largest, 0);
        return std::max(product_scratch({{terms.data(), n}, tokens, nullptr, nullptr, c_bf16}, cpu),
                        product_scratch({{&d, 1}, tokens}, cpu));
    }
};

/// h of tokens with the same factors.
void down_run(CpuDevice & cpu, const Mix & mix, int64_t t, int64_t n) {
    for (const Branch & b : mix.branches.all()) {
        if (!mix.branches.has(b, t)) continue;
        const Product p = mix.down(b, t);
        multiply(cpu, {{&p, 1}, n, b.h + t * b.r()}, mix.products);
    }
}

/// Terms of the branches that a token has, from the branch `from` on, which becomes the first that was left out.
size_t up_terms(const Mix & mix, int64_t t, size_t & from, std::span<Product> terms) {
    size_t n = 0;
    for (; from < mix.branches.n && n < terms.size(); ++from)
        if (const Branch & b = mix.branches.list[from]; mix.branches.has(b, t))
            terms[n++] = mix.up(b, t, mix.branches.factor(b, t));
    return n;
}

/// sum = (r +) the branches, for tokens with the same factors.
void up_run(CpuDevice & cpu, const Mix & mix, int64_t t, int64_t n, float * sum) {
    std::array<Product, kMaxActive> terms;
    const float * add = mix.rest(t);
    sum += t * mix.m;
    size_t from = 0, count = up_terms(mix, t, from, terms);
    if (count == 0)
        return split_rows(cpu.pool, n, mix.m, [&](int64_t first, int64_t last) {
            const auto bytes = static_cast<size_t>((last - first) * mix.m) * sizeof(float);
            if (!add)
                std::memset(sum + first * mix.m, 0, bytes);
            else if (add != sum)
                std::memcpy(sum + first * mix.m, add + first * mix.m, bytes);
        });
    for (; count; count = up_terms(mix, t, from, terms), add = sum)
        multiply(cpu, {{terms.data(), count}, n, sum, add}, mix.products);
}

/// h and sum = (r +) the branches, for tokens one by one.
void singles(CpuDevice & cpu, const Mix & mix, size_t n_pairs, size_t n_singles, float * sum) {
    branches_down(cpu.pool, mix.branches, {mix.pairs, n_pairs}, mix.src[1], mix.x_bf16, mix.row);
    const int64_t parts = (mix.m + kMixColumns - 1) / kMixColumns;
    cpu.pool.run(static_cast<int64_t>(n_singles) * parts, [&](int64_t unit, int) {
        const int64_t t = mix.singles[unit / parts], first = unit % parts * kMixColumns;
        add_branches(mix.branches, t, first, std::min(mix.m, first + kMixColumns), mix.rest(t), sum + t * mix.m);
    });
}

size_t list_pairs(const Mix & mix, int64_t t, size_t n) {
    for (size_t i = 0; i < mix.branches.n; ++i)
        if (mix.branches.has(mix.branches.list[i], t))
            mix.pairs[n++] = {static_cast<int32_t>(t), static_cast<int32_t>(i)};
    return n;
}

void mix_runs(CpuDevice & cpu, const Mix & mix, void * out) {
    float * sum = mix.c_bf16 ? mix.sum : static_cast<float *>(out);
    size_t n_pairs = 0, n_singles = 0;
    for (int64_t t = 0, n = 0; t < mix.tokens; t += n) {
        n = mix.branches.run_of(t, mix.tokens);
        if (n >= kMinRun) {
            down_run(cpu, mix, t, n);
            up_run(cpu, mix, t, n, sum);
            continue;
        }
        for (int64_t i = t; i < t + n; ++i) {
            mix.singles[n_singles++] = static_cast<int32_t>(i);
            n_pairs = list_pairs(mix, i, n_pairs);
        }
    }
    singles(cpu, mix, n_pairs, n_singles, sum);
    const Product w = mix.base();
    multiply(cpu, {{&w, 1}, mix.tokens, out, sum, mix.c_bf16}, mix.products);
}

/// W and the branches as one product, if that takes so many.
bool multiply_alike(CpuDevice & cpu, const Mix & mix, void * out) {
    std::array<Product, kMaxTerms> terms = {mix.base()};
    size_t from = 0;
    const size_t n = up_terms(mix, 0, from, std::span(terms).subspan(1));
    for (; from < mix.branches.n; ++from)
        if (mix.branches.has(mix.branches.list[from], 0)) return false;
    down_run(cpu, mix, 0, mix.tokens);
    multiply(cpu, {{terms.data(), n + 1}, mix.tokens, out, mix.rest(0), mix.c_bf16}, mix.products);
    return true;
}

struct FewTokens {
    const Mix & mix;
    float * out;

    static void before(const void * self, int64_t first, int64_t last) {
        const auto & [mix, out] = *static_cast<const FewTokens *>(self);
        for (int64_t t = 0; t < mix.tokens; ++t)
            add_branches(mix.branches, t, first, last, mix.rest(t), out + t * mix.m);
    }
};

void mix_few(CpuDevice & cpu, const Mix & mix, bool alike, float * out) {
    const Product w = mix.base();
    if (alike) {
        if (list_pairs(mix, 0, 0) == 0) return multiply(cpu, {{&w, 1}, mix.tokens, out, mix.rest(0)}, mix.products);
        down_run(cpu, mix, 0, mix.tokens);
    } else {
        size_t n = 0;
        for (int64_t t = 0; t < mix.tokens; ++t) n = list_pairs(mix, t, n);
        branches_down(cpu.pool, mix.branches, {mix.pairs, n}, mix.src[1], false, mix.row);
    }
    const FewTokens few{mix, out};
    gemv(cpu, {{&w, 1}, mix.tokens, out, out}, mix.products, {&few, FewTokens::before});
}

size_t scratch_lora_mix(const Node & n, const DeviceImpl & device) {
    Carver count;
    Mix(count, n, nullptr, cpu_of(device));
    return count.used();
}

Status launch_lora_mix(const Launch & l) {
    CpuDevice & cpu = device_of(l);
    Carver carve(l.scratch);
    const Mix mix(carve, l.node, l.src, cpu);
    const bool alike = mix.branches.run_of(0, mix.tokens) == mix.tokens;
    if (mix.tokens <= kGemvRows)
        mix_few(cpu, mix, alike, l.y(0));
    else if (!alike || !multiply_alike(cpu, mix, l.out[0]))
        mix_runs(cpu, mix, l.out[0]);
    return {};
}

bool reads_bf16_lora_mix(const Node & n, size_t source) {
    return source == 1 && n.src[1]->ne(1) > kGemvRows;
}

}  // namespace

const Kernel kernel::lora_mix = {.launch = launch_lora_mix,
                                 .scratch = scratch_lora_mix,
                                 .reads_bf16 = reads_bf16_lora_mix,
                                 .writes_bf16 = product_writes_bf16};
}  // namespace ql::cpu
