// The AMX product, on the processor's tile registers where there are any, and on emulated ones wherever there is
// AVX-512 BF16: one source for both.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <random>

#include "backends/cpu/bf16_kernels.hpp"
#include "backends/cpu/targets.hpp"
#include "cpu/amx_emulated.hpp"
#include "cpu/kernel_run.hpp"
#include "ggml/core/os/os.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/half.hpp"
#include "support/conformance.hpp"

namespace ql::cpu {
extern const Backend kCpuBackend;
namespace {

using test::AlignedBytes;

/// Memory whose last byte is followed by a page that cannot be read.
class GuardedBytes {
  public:
    explicit GuardedBytes(size_t bytes) : mapped_((bytes + kPage - 1) / kPage * kPage + kPage) {
        base_ = static_cast<std::byte *>(
            ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (base_ == MAP_FAILED || ::mprotect(base_ + mapped_ - kPage, kPage, PROT_NONE) != 0) throw std::bad_alloc();
        data_ = base_ + mapped_ - kPage - bytes;
    }
    ~GuardedBytes() { ::munmap(base_, mapped_); }
    GuardedBytes(const GuardedBytes &) = delete;
    GuardedBytes & operator=(const GuardedBytes &) = delete;
    void * data() const { return data_; }

  private:
    static constexpr size_t kPage = 65536;  // a multiple of every system's page
    const size_t mapped_;
    std::byte *base_, *data_;
};

struct Part {
    int64_t depth;
    ql_dtype dtype = QL_F32;
    Side side = Side::forward;
    float scale = 1;
};
enum class Add { nothing, another, itself };
struct Size {
    int64_t rows, columns;
    std::vector<Part> parts;
    Add add = Add::nothing;
    int64_t spare = 0;  // elements between rows of A
};

/// A term with its operands, and the exact numbers that the product multiplies.
struct Operands {
    AlignedBytes w;
    std::unique_ptr<GuardedBytes> a;
    std::vector<double> w_numbers, a_numbers;  // [depth, columns], [depth, rows]
    Term<uint16_t> term;
};

Operands operands(const Size & size, const Part & part, uint32_t seed) {
    Operands o;
    std::minstd_rand random(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    const bool forward = part.side == Side::forward;
    const int64_t k = forward ? part.depth : size.columns, m = forward ? size.columns : part.depth;
    std::vector<float> w(static_cast<size_t>(k * m));
    for (float & x : w) x = uniform(random);
    o.w = AlignedBytes(ql_dtype_bytes(part.dtype, k * m));
    EXPECT_TRUE(find_dtype(part.dtype)->encode(w.data(), k * m, o.w.data()).ok());
    find_dtype(part.dtype)->decode(o.w.data(), k * m, 0, k * m, w.data());
    for (int64_t j = 0; j < size.columns; ++j)
        for (int64_t p = 0; p < part.depth; ++p)
            o.w_numbers.push_back(static_cast<double>(
                bf16_to_f32(f32_to_bf16(part.scale * w[static_cast<size_t>(forward ? j * k + p : p * k + j)]))));

    const int64_t a_row = (part.depth + 1) / 2 * 2 + size.spare;
    const auto elements = static_cast<size_t>(a_row * size.rows - size.spare);
    o.a = std::make_unique<GuardedBytes>(elements * sizeof(uint16_t));
    auto * a = static_cast<uint16_t *>(o.a->data());
    std::fill_n(a, elements, uint16_t{0x7fff});  // NaN, for the spare
    for (int64_t t = 0; t < size.rows; ++t) {
        for (int64_t p = 0; p < part.depth; ++p) {
            a[t * a_row + p] = f32_to_bf16(uniform(random));
            o.a_numbers.push_back(static_cast<double>(bf16_to_f32(a[t * a_row + p])));
        }
        if (part.depth % 2) a[t * a_row + part.depth] = 0;
    }
    o.term = {{part.dtype, o.w.data(), k, m}, part.side, a, a_row, 1, part.scale};
    return o;
}

struct Unit {
    const char * name;
    void (*gemm)(Pool &, const GemmBf16 &, std::byte *);
    bool (*is_there)();

    friend void PrintTo(const Unit & unit, std::ostream * out) { *out << unit.name; }
};
void gemm_amx(Pool & pool, const GemmBf16 & g, std::byte * scratch) {
    bf16_kernels(Isa::amx)->gemm(pool, g, scratch);
}
constexpr Unit kUnits[] = {{"emulated", gemm_emulated, [] { return bf16_kernels(best_isa()) != nullptr; }},
                           {"amx", gemm_amx, [] { return best_isa() == Isa::amx; }}};

class Amx : public testing::TestWithParam<Unit> {
  protected:
    void SetUp() override {
        if (!GetParam().is_there()) GTEST_SKIP() << "not on this processor, which has " << isa_name(best_isa());
        limit_targets(best_isa());
    }

    /// Rows of C lie `kSpare` floats apart, which must stay untouched; scratch holds NaN.
    static constexpr int64_t kSpare = 3;

    struct Results {
        std::vector<float> c;
        std::vector<uint16_t> half;
    };

    Results run(const Size & size, const std::vector<Operands> & list, int threads) const {
        const size_t n = elements(size);
        Results r{size.add == Add::itself ? addend(n) : std::vector<float>(n, NAN), {}};
        run(size, list, threads, {{}, 0, r.c.data()});
        return r;
    }
    Results run(const Size & size, const std::vector<Operands> & list, int threads, Half half) const {
        const size_t n = elements(size);
        Results r{std::vector<float>(n, NAN), std::vector<uint16_t>(n, 0x7fff)};
        run(size, list, threads, {{}, 0, nullptr, 0, nullptr, r.half.data(), half});
        return r;
    }
    void run(const Size & size, const std::vector<Operands> & list, int threads, GemmBf16 g) const {
        Pool pool(threads);
        std::vector<Term<uint16_t>> terms;
        for (const Operands & o : list) terms.push_back(o.term);
        const std::vector<float> residual = addend(elements(size));
        g.terms = terms, g.rows = size.rows, g.ldc = size.columns + kSpare;
        if (size.add != Add::nothing) g.add = size.add == Add::itself ? g.c : residual.data();
        const size_t bytes = g.c_half ? gemm_half_scratch(pool, terms) : gemm_scratch(pool);
        const GuardedBytes scratch(bytes);
        std::memset(scratch.data(), 0xff, bytes);
        GetParam().gemm(pool, g, static_cast<std::byte *>(scratch.data()));
    }

    static size_t elements(const Size & size) { return static_cast<size_t>((size.columns + kSpare) * size.rows); }
    static std::vector<float> addend(size_t n) {
        std::vector<float> v(n);
        for (size_t i = 0; i < n; ++i) v[i] = 0.25f * static_cast<float>(i % 37) - 4;
        return v;
    }

    static std::vector<double> expected(const Size & size, const std::vector<Operands> & list) {
        std::vector<double> c;
        const std::vector<float> residual = addend(elements(size));
        for (int64_t t = 0; t < size.rows; ++t)
            for (int64_t j = 0; j < size.columns; ++j) {
                const auto at = static_cast<size_t>(t * (size.columns + kSpare) + j);
                double sum = size.add == Add::nothing ? 0 : static_cast<double>(residual[at]);
                for (const Operands & o : list) {
                    const int64_t depth = o.term.depth();
                    for (int64_t p = 0; p < depth; ++p)
                        sum += o.w_numbers[static_cast<size_t>(j * depth + p)] *
                               o.a_numbers[static_cast<size_t>(t * depth + p)];
                }
                c.push_back(sum);
            }
        return c;
    }

    /// Against the sum in f64 of the same rounded operands; only floats of C may be written.
    void check(const Size & size) const {
        std::vector<Operands> list;
        for (const Part & part : size.parts)
            list.push_back(operands(size, part, 17 + static_cast<uint32_t>(list.size())));
        SCOPED_TRACE(testing::Message() << size.rows << " rows, " << size.columns << " columns, depth "
                                        << size.parts[0].depth << (size.parts.size() > 1 ? " and more" : ""));
        const Results got = run(size, list, 2);
        const std::vector<float> before = addend(got.c.size());
        std::vector<float> c;
        for (size_t i = 0; i < got.c.size(); ++i) {
            const bool inside = static_cast<int64_t>(i) % (size.columns + kSpare) < size.columns;
            if (inside)
                c.push_back(got.c[i]);
            else if (size.add == Add::itself)
                EXPECT_EQ(got.c[i], before[i]) << "written at " << i;
            else
                EXPECT_TRUE(std::isnan(got.c[i])) << "written at " << i;
        }
        EXPECT_LE(test::nmse(c, expected(size, list)), 1e-12);
        for (const int threads : {1, 3, 8}) {
            const Results other = run(size, list, threads);
            EXPECT_EQ(0, std::memcmp(other.c.data(), got.c.data(), got.c.size() * sizeof(float))) << threads;
        }
    }
};

TEST_P(Amx, MultipliesAnyNumberOfRows) {
    for (const int64_t rows : {1, 2, 15, 16, 17, 31, 32, 33, 48, 49, 63, 64, 65, 100})
        for (const Side side : {Side::forward, Side::backward}) check({rows, 70, {{67, QL_F32, side}}});
}

TEST_P(Amx, MultipliesAnyNumberOfColumns) {
    for (const int64_t columns : {1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 129, 200})
        for (const Side side : {Side::forward, Side::backward}) check({37, columns, {{45, QL_F32, side}}});
}

TEST_P(Amx, MultipliesAnyDepth) {
    for (const int64_t depth : {1, 2, 3, 30, 31, 32, 33, 63, 64, 65, 255, 257, 2047, 2048, 2049, 2079, 4200})
        for (const Side side : {Side::forward, Side::backward})
            for (const int64_t spare : {0, 5}) check({19, 33, {{depth, QL_F32, side}}, Add::nothing, spare});
}

/// Few columns are taken with many rows at a time, and few rows with many columns.
TEST_P(Amx, MultipliesNarrowOperands) {
    for (const int64_t few : {1, 8, 16})
        for (const int64_t many : {48, 64, 65, 100, 128, 131, 300}) {
            check({many, few, {{77}, {33, QL_F32, Side::backward}}});
            check({few, many, {{77}, {33, QL_F32, Side::backward}}});
            check({many, 64 + few, {{77}}, Add::itself});
        }
}

/// A's rows do not stay in L2: half of them come with all groups before the others, which pack the groups again.
TEST_P(Amx, TakesManyRowsOfADeepProductInTurns) {
    check({481, 65, {{1408, QL_NF4}, {5, QL_F32, Side::backward}}, Add::itself});
}

TEST(AmxSums, TakeTurnsInFourTiles) {
    if (!bf16_kernels(best_isa())) GTEST_SKIP() << "no AVX-512 BF16";
    for (const auto & [rows, columns] : {std::pair{512, 16}, {512, 8}, {16, 512}, {8, 512}, {512, 512}}) {
        std::vector<Operands> list;
        const Size size{rows, columns, {{320}}};
        list.push_back(operands(size, size.parts[0], 1));
        std::vector<float> c(static_cast<size_t>(rows * columns));
        Pool pool(1);
        const GuardedBytes scratch(gemm_scratch(pool));
        tile_counts().take();
        gemm_emulated(pool, {{&list[0].term, 1}, rows, c.data(), columns}, static_cast<std::byte *>(scratch.data()));
        const TileCounts counts = tile_counts().take();
        EXPECT_EQ(counts.products, (rows + 15) / 16 * ((columns + 15) / 16) * 10) << rows << " x " << columns;
        EXPECT_EQ(counts.waits, 0) << rows << " x " << columns;
    }
}

TEST_P(Amx, DecodesQuantisedWeights) {
    for (const ql_dtype dtype : {QL_NF4, QL_NF4_DQ, QL_Q8_0, QL_Q4_0, QL_F16, QL_BF16})
        for (const float scale : {1.0f, 0.3f}) {
            check({35, 67, {{576, dtype, Side::forward, scale}}});
            check({35, 128, {{577, dtype, Side::backward, scale}}});
        }
    check({20, 40, {{39, QL_BF16}}});
}

TEST_P(Amx, SumsSeveralTermsAndBlocksOfTheirDepths) {
    check({33, 65, {{640, QL_NF4}, {9, QL_F32, Side::backward, 0.5f}}});
    check({40, 64, {{3000, QL_F32}, {7, QL_F32}, {1500, QL_Q8_0, Side::backward}, {2500, QL_F16, Side::backward, 2}}});
    const Part one{229, QL_F32}, last{187, QL_F32};
    check({17, 20, {one, one, one, one, one, one, one, last}});  // 1790: just one block
    check({17, 20, {one, one, one, one, one, one, one, one}});
    check({17, 20, {{33, QL_F32}, {2014, QL_F32}}});  // would end with the panel, but for the first term's 32 steps
    const Part rest{2079, QL_F32, Side::backward}, single{1, QL_F32};
    check({34, 50, {rest, single, rest, single, rest, single, single, rest}});
}

TEST_P(Amx, AddsToWhatIsThere) {
    for (const Add add : {Add::another, Add::itself})
        for (const int64_t depth : {40, 2500}) check({45, 70, {{depth}, {33, QL_F32, Side::backward}}, add});
}

/// A sum of at most 1792 steps is one block, whatever its terms: then the result in 16 bits needs no C beside it.
TEST_P(Amx, WritesResultsIn16Bits) {
    const Part some{223, QL_F32};
    const Size sizes[] = {{37, 70, {{100}}},
                          {37, 70, {{100}}, Add::another},
                          {20, 40, {some, some, some, some, some, some, some, some}},
                          {50, 90, {{4100}, {33}}},
                          {50, 90, {{4100}, {33}}, Add::another}};
    for (const Size & size : sizes) {
        std::vector<Operands> list;
        for (const Part & part : size.parts) list.push_back(operands(size, part, 5));
        const Results wide = run(size, list, 2), narrow = run(size, list, 2, Half::bf16),
                      half = run(size, list, 2, Half::f16);
        const bool one_block = size.parts[0].depth < kPanelDepthBf16;  // sums are then the same to the bit
        for (size_t i = 0; i < wide.c.size(); ++i) {
            const bool inside = static_cast<int64_t>(i) % (size.columns + kSpare) < size.columns;
            if (!inside) {
                ASSERT_EQ(narrow.half[i], 0x7fff) << i;
                ASSERT_EQ(half.half[i], 0x7fff) << i;
            } else if (one_block) {
                ASSERT_EQ(narrow.half[i], f32_to_bf16(wide.c[i])) << i;
                ASSERT_EQ(half.half[i], f32_to_f16(wide.c[i])) << i;
            } else {
                const float size_of_it = std::abs(wide.c[i]) + 0.1f;
                ASSERT_NEAR(bf16_to_f32(narrow.half[i]), wide.c[i], size_of_it / 250) << i;
                ASSERT_NEAR(f16_to_f32(half.half[i]), wide.c[i], size_of_it / 2000) << i;
            }
        }
    }
}

TEST_P(Amx, GivesARowTheSameBitsWhereverItStands) {
    const Size all{71, 70, {{301, QL_F32}, {20, QL_F32, Side::backward}}};
    std::vector<Operands> list;
    for (const Part & part : all.parts) list.push_back(operands(all, part, 3));
    const Results want = run(all, list, 1);
    for (const int64_t first : {1, 20, 40, 70}) {
        Size some = all;
        some.rows = std::min<int64_t>(30, all.rows - first);
        std::vector<Operands> part;
        for (size_t i = 0; i < list.size(); ++i) {
            part.push_back(operands(all, all.parts[i], 3));
            part[i].term.a += first * part[i].term.a_row;
        }
        const Results got = run(some, part, 2);
        const auto from = static_cast<size_t>(first * (all.columns + kSpare));
        EXPECT_TRUE(same_bits({got.c.begin(), got.c.end() - kSpare},
                              {want.c.begin() + static_cast<std::ptrdiff_t>(from),
                               want.c.begin() + static_cast<std::ptrdiff_t>(from + got.c.size() - kSpare)}))
            << first;
    }
}

TEST_P(Amx, KeepsNaNInItsRow) {
    const Size size{40, 70, {{45, QL_F32}, {33, QL_F32}}};
    for (const uint16_t bad : {uint16_t{0x7fc0}, uint16_t{0x7f80}}) {  // NaN, Inf
        std::vector<Operands> list;
        for (const Part & part : size.parts) list.push_back(operands(size, part, 3));
        const_cast<uint16_t *>(list[0].term.a)[17 * list[0].term.a_row + 44] = bad;
        const Results r = run(size, list, 2);
        for (int64_t t = 0; t < size.rows; ++t)
            for (int64_t j = 0; j < size.columns; ++j)
                ASSERT_EQ(std::isfinite(r.c[static_cast<size_t>(t * (size.columns + kSpare) + j)]), t != 17)
                    << t << " " << j;
    }
}

/// Denormals count as zero, both as operands and as sums, whatever the processor's own mode.
TEST_P(Amx, FlushesDenormals) {
    const struct {
        uint16_t a;
        float w, sum;
    } cases[] = {{f32_to_bf16(0x1p-126f), 0x1p100f, 0x1p-26f},
                 {f32_to_bf16(0x1p-127f), 0x1p100f, 0},
                 {f32_to_bf16(0x1p-60f), 0x1p-66f, 0x1p-126f},
                 {f32_to_bf16(0x1p-60f), 0x1p-67f, 0}};
    for (const auto & c : cases) {
        const Size size{1, 1, {{1}}};
        std::vector<Operands> list;
        list.push_back(operands(size, size.parts[0], 1));
        *const_cast<uint16_t *>(list[0].term.a) = c.a;
        *static_cast<float *>(list[0].w.data()) = c.w;
        EXPECT_EQ(run(size, list, 1).c[0], c.sum) << c.a << " " << c.w;
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Amx, testing::ValuesIn(kUnits),
                         [](const auto & info) { return std::string(info.param.name); });

TEST(AmxDevice, NamesItsProductsAfterTheTiles) {
    if (!bf16_kernels(Isa::amx)) GTEST_SKIP() << "this build has none";
    const CpuDevice products(Isa::amx, 1, true), full(Isa::amx, 1, false);
    EXPECT_STREQ(products.caps().isa, "amx");
    EXPECT_STREQ(products.caps().product, "amx");
    EXPECT_STREQ(full.caps().product, "f32");
#if defined(__x86_64__)
    EXPECT_TRUE(bf16_is_fast(Isa::amx)) << "on any processor";
#endif
}

#if defined(__x86_64__) && defined(__linux__)
TEST(AmxDevice, IsFoundWhereTheSystemKnowsIt) {
    std::ifstream info("/proc/cpuinfo");
    std::string flags;
    for (std::string line; std::getline(info, line) && flags.empty();)
        if (line.starts_with("flags")) flags = line + " ";
    const auto has = [&](const char * flag) { return flags.find(std::string(" ") + flag + " ") != std::string::npos; };
    EXPECT_EQ(best_isa() == Isa::amx, has("amx_tile") && has("amx_bf16") && has("avx512_bf16"));
    EXPECT_EQ(os::allow_tiles(), has("amx_tile")) << "asked again";
}
#endif

TEST(AmxDevice, IsRefusedWhereThereIsNone) {
    if (best_isa() == Isa::amx) GTEST_SKIP() << "this processor has AMX";
    setenv("QL_ISA", "amx", 1);
    const auto isa = choose_isa();
    setenv("QL_ISA", "amxx", 1);
    const auto unknown = choose_isa();
    unsetenv("QL_ISA");
    ASSERT_FALSE(isa.ok());
    EXPECT_EQ(isa.message(),
              std::string("QL_ISA=amx: this machine cannot run it; its best is ") + isa_name(best_isa()));
    ASSERT_FALSE(unknown.ok());
    EXPECT_NE(unknown.message().find("avx512_bf16, amx"), std::string::npos);
}

}  // namespace
}  // namespace ql::cpu
