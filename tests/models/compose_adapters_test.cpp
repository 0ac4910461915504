// Composition against PEFT's figures, and what every method must keep.
#include "models/adapter/compose/compose.hpp"
#include "models/adapter/compose/from_svd.hpp"

#include "models/adapters.hpp"
#include "support/safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

double norm_of_difference(const std::vector<double> & x, const std::vector<double> & y) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
    return std::sqrt(sum);
}
double norm(const std::vector<double> & x) {
    return norm_of_difference(x, std::vector<double>(x.size()));
}

// ---- PEFT 0.21.2's add_weighted_adapter ------------------------------------------------------------------------------

class ComposeGolden : public testing::Test {
  protected:
    Adapter read(const std::string & name, float alpha) const {
        Adapter adapter;
        adapter.architecture = "llama";
        for (const std::string & module : modules()) {
            const std::string a = module + ".lora_A." + name + ".weight", b = module + ".lora_B." + name + ".weight";
            const auto shape_a = golden_.shape(a), shape_b = golden_.shape(b);
            adapter.matrices.push_back({module, shape_a[1], shape_b[0], shape_a[0],
                                        alpha / static_cast<float>(shape_a[0]), golden_.f32(a), golden_.f32(b)});
        }
        return adapter;
    }
    static std::vector<std::string> modules() {
        std::vector<std::string> names;
        for (int layer = 0; layer < 3; ++layer)
            for (const char * linear : {".self_attn.q_proj", ".mlp.down_proj"})
                names.push_back("model.layers." + std::to_string(layer) + linear);
        return names;
    }
    void expect_as_peft(const ComposeOptions & options) const {
        SCOPED_TRACE(options.method);
        const Adapter one = read("one", 8), two = read("two", 4);
        const WeightedAdapter both[] = {{&one, 0.7}, {&two, -0.4}};
        const auto composed = compose_adapters(both, options);
        ASSERT_TRUE(composed.ok()) << composed.message();
        for (const std::string & module : modules()) {
            const auto want = golden_.f32("delta." + options.method + "." + module);
            const auto got = product(*find(*composed, module));
            ASSERT_EQ(got.size(), want.size());
            double worst = 0;
            for (size_t i = 0; i < got.size(); ++i)
                worst = std::max(worst, std::fabs(got[i] - static_cast<double>(want[i])));
            EXPECT_LE(worst, 1e-5) << module;
        }
    }

    SafeTensors golden_ = SafeTensors::open(golden_path("compose.safetensors"));
};

TEST_F(ComposeGolden, IsWhatPeftMakes) {
    expect_as_peft({"cat"});
    expect_as_peft({"linear"});
    expect_as_peft({"svd", 3});
    expect_as_peft({"ties", 0, 0.5});
    expect_as_peft({"ties_svd", 4, 0.5});
    expect_as_peft({"magnitude_prune", 0, 0.5});
}

// ---- every method ----------------------------------------------------------------------------------------------------

class EveryMethod : public testing::TestWithParam<const ComposeMethod *> {
  protected:
    ComposeOptions options() const { return {GetParam()->name}; }
};

std::vector<const ComposeMethod *> all_methods() {
    std::vector<const ComposeMethod *> all;
    for (const ComposeMethod & m : compose_methods()) all.push_back(&m);
    return all;
}
INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod, testing::ValuesIn(all_methods()),
                         [](const auto & p) { return std::string(p.param->name); });

/// B with as many directions as A: a rank of 3, which no smaller rank can hold.
Adapter mixed(uint64_t seed, int r = 3) {
    Adapter adapter = new_adapter(llama(), {r, 6.0f, false, "all", seed}).value();
    for (LoraMatrix & m : adapter.matrices)
        for (size_t i = 0; i < m.b.size(); ++i)
            m.b[i] = std::sin(static_cast<float>(i * (seed + 1)) * 0.7f + static_cast<float>(i % 5));
    return adapter;
}

TEST_P(EveryMethod, GivesOneAdapterAtWeightOneBack) {
    const Adapter one = mixed(1);
    const WeightedAdapter alone[] = {{&one, 1.0}};
    const auto composed = compose_adapters(alone, options());
    ASSERT_TRUE(composed.ok()) << composed.message();
    ASSERT_EQ(composed->matrices.size(), one.matrices.size());
    for (const LoraMatrix & m : one.matrices) {
        const auto want = product(m), got = product(*find(*composed, m.weight));
        EXPECT_LE(norm_of_difference(got, want), 1e-6 * norm(want)) << m.weight;
    }
}

TEST_P(EveryMethod, GivesTheSameBitsAgainAndHoldsToAModel) {
    const Adapter one = mixed(1), two = mixed(2);
    const WeightedAdapter both[] = {{&one, 0.5}, {&two, -0.25}};
    ComposeOptions o = options();
    if (GetParam()->takes_density) o.density = 0.6;
    const auto first = compose_adapters(both, o), again = compose_adapters(both, o);
    ASSERT_TRUE(first.ok() && again.ok()) << first.message();
    for (size_t i = 0; i < first->matrices.size(); ++i) {
        EXPECT_EQ(first->matrices[i].a, again->matrices[i].a);
        EXPECT_EQ(first->matrices[i].b, again->matrices[i].b);
    }
    const TemporaryFolder folder;
    EXPECT_TRUE(save_adapter(*first, llama(), folder.path("a.gguf")).ok());
}

TEST_P(EveryMethod, IsTheSameForAnyNumberOfThreads) {
    const Adapter one = mixed(1), two = mixed(2);
    const WeightedAdapter both[] = {{&one, 0.5}, {&two, -0.25}};
    ComposeOptions o = options();
    if (GetParam()->takes_density) o.density = 0.6;
    const auto alone = compose_adapters(both, o);
    o.threads = 3;
    const auto shared = compose_adapters(both, o);
    ASSERT_TRUE(alone.ok() && shared.ok()) << alone.message();
    expect_identical(*alone, *shared);
}

TEST_P(EveryMethod, TakesOnlyItsOwnOptions) {
    const Adapter one = mixed(1);
    const WeightedAdapter alone[] = {{&one, 1.0}};
    ComposeOptions ranked = options(), sparse = options();
    ranked.rank = 2;
    sparse.density = 0.5;
    EXPECT_EQ(compose_adapters(alone, ranked).ok(), GetParam()->takes_rank);
    EXPECT_EQ(compose_adapters(alone, sparse).ok(), GetParam()->takes_density);
}

// ---- single methods -------------------------------------------------------------------------------------------------

std::vector<double> sum_of(const std::vector<std::pair<const LoraMatrix *, double>> & parts) {
    std::vector<double> sum(product(*parts[0].first).size());
    for (const auto & [m, weight] : parts) {
        const auto d = product(*m);
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += weight * d[i];
    }
    return sum;
}

TEST(Compose, CatIsTheSumOfDifferentRanksAndTargets) {
    const Adapter one = mixed(1, 3), two = mixed(2, 5);
    Adapter fewer = two;
    fewer.matrices.resize(2);
    const WeightedAdapter both[] = {{&one, 0.5}, {&fewer, -2.0}};
    const auto composed = compose_adapters(both, {"cat"});
    ASSERT_TRUE(composed.ok()) << composed.message();
    EXPECT_EQ(composed->matrices.size(), one.matrices.size());
    for (const LoraMatrix & m : composed->matrices) {
        const LoraMatrix * other = find(fewer, m.weight);
        EXPECT_EQ(m.r, other ? 8 : 3);
        const auto want =
            other ? sum_of({{find(one, m.weight), 0.5}, {other, -2.0}}) : sum_of({{find(one, m.weight), 0.5}});
        EXPECT_LE(norm_of_difference(product(m), want), 1e-6 * norm(want));
    }
}

TEST(Compose, SvdOfFullRankIsTheSum) {
    const Adapter one = mixed(1, 3), two = mixed(2, 5);
    const WeightedAdapter both[] = {{&one, 0.5}, {&two, -2.0}};
    const auto composed = compose_adapters(both, {"svd", 8});
    ASSERT_TRUE(composed.ok()) << composed.message();
    for (const LoraMatrix & m : composed->matrices) {
        const auto want = sum_of({{find(one, m.weight), 0.5}, {find(two, m.weight), -2.0}});
        EXPECT_LE(norm_of_difference(product(m), want), 1e-6 * norm(want));
    }
}

TEST(Compose, WhatIsTakenAwayAgainIsGone) {
    const Adapter one = mixed(1);
    const WeightedAdapter both[] = {{&one, 1.0}, {&one, -1.0}};
    for (const char * method : {"cat", "svd"}) {
        const auto composed = compose_adapters(both, {method});
        ASSERT_TRUE(composed.ok()) << composed.message();
        for (const LoraMatrix & m : composed->matrices)
            EXPECT_LE(norm(product(m)), 1e-6 * norm(product(*find(one, m.weight)))) << method;
    }
}

TEST(Compose, SvdAtARankThatIsMoreThanTheMatrixHas) {
    const Adapter one = mixed(1);
    const WeightedAdapter alone[] = {{&one, 1.0}};
    const auto composed = compose_adapters(alone, {"svd", highest_rank(one)});
    ASSERT_TRUE(composed.ok()) << composed.message();
    for (const LoraMatrix & m : composed->matrices) EXPECT_EQ(m.r, find(one, m.weight)->r) << "no rows of zeros";
    const auto more = compose_adapters(alone, {"svd", highest_rank(one) + 1});
    EXPECT_EQ(more.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(more.message().find("are possible with these linears"), std::string::npos) << more.message();
}

TEST(Compose, TakesNameAndTemplateFromTheFirstThatHasThem) {
    Adapter one = mixed(1), two = mixed(2), three = mixed(3);
    one.base_name = one.chat_template = "", two.base_name = "base", two.chat_template = "t", two.chat_date = "2026-01-02";
    three.base_name = "base", three.chat_template = "t";
    const WeightedAdapter parts[] = {{&one, 1.0}, {&two, 1.0}, {&three, 1.0}};
    Adapter made = compose_adapters(parts, {}).value();
    EXPECT_EQ(made.base_name, "base");
    EXPECT_EQ(made.chat_template, "t");
    EXPECT_EQ(made.chat_date, "2026-01-02");
    EXPECT_TRUE(made.notes.empty());
    three.chat_template = "u";
    made = compose_adapters(parts, {}).value();
    EXPECT_EQ(made.chat_template, "t");
    ASSERT_EQ(made.notes.size(), 1u);
    EXPECT_NE(made.notes[0].find("different chat templates"), std::string::npos);
}

TEST(Compose, AZeroAdapterStaysZero) {
    const Adapter zero = new_adapter(llama(), {}).value();
    const WeightedAdapter alone[] = {{&zero, 1.0}};
    for (const ComposeMethod & method : compose_methods()) {
        const auto composed = compose_adapters(alone, {method.name});
        ASSERT_TRUE(composed.ok()) << composed.message();
        for (const LoraMatrix & m : composed->matrices) EXPECT_EQ(norm(product(m)), 0) << method.name;
    }
}

TEST(Compose, DareDropsByTheSeed) {
    const Adapter one = mixed(1);
    const WeightedAdapter alone[] = {{&one, 1.0}};
    const auto first = compose_adapters(alone, {"dare_linear", 0, 0.25, 1}),
               other = compose_adapters(alone, {"dare_linear", 0, 0.25, 2});
    ASSERT_TRUE(first.ok() && other.ok());
    int64_t kept = 0, all = 0;
    for (const LoraMatrix & m : first->matrices) {
        const LoraMatrix & from = *find(one, m.weight);
        const double root = std::sqrt(static_cast<double>(from.scale));
        for (size_t i = 0; i < m.a.size(); ++i, ++all) {
            if (m.a[i] == 0) continue;
            ++kept;
            EXPECT_NEAR(m.a[i], root * static_cast<double>(from.a[i]) * 4, 1e-5);
        }
    }
    EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(all), 0.25, 0.02);
    EXPECT_NE(first->matrices[0].a, other->matrices[0].a);
}

TEST(Compose, RefusesWhatCannotBe) {
    const Adapter one = mixed(1, 3), two = mixed(2, 5);
    Adapter other = mixed(3, 3), elsewhere = mixed(3, 3), broad = mixed(3, 3);
    other.base_name = "another model", other.origin = Origin();
    elsewhere.architecture = "qwen2";
    broad.matrices[0].k *= 2;
    const auto says = [&](const Adapter & second, double weight, const ComposeOptions & options, const char * words) {
        const WeightedAdapter both[] = {{&one, 1.0}, {&second, weight}};
        const auto composed = compose_adapters(both, options);
        ASSERT_FALSE(composed.ok()) << words;
        EXPECT_NE(composed.message().find(words), std::string::npos) << composed.message();
    };
    says(two, 1, {"linear"}, "has rank 3 in adapter 0 and 5 in adapter 1");
    says(two, 1, {"average"}, "no method 'average'; there are cat, linear");
    says(two, NAN, {"cat"}, "the weight of adapter 1 is nan");
    says(other, 1, {"cat"}, "adapter 1 for 'another model'");
    says(elsewhere, 1, {"cat"}, "adapter 0 is for architecture 'llama', adapter 1 for 'qwen2'");
    says(broad, 1, {"cat"}, "in adapter 0 and [");
    says(two, 1, {"ties", 0, 0.0}, "density is 0");
    says(two, 1, {"svd", -1}, "rank -1");
    EXPECT_FALSE(compose_adapters({}, {"cat"}).ok());
}

}  // namespace
}  // namespace ql::test
