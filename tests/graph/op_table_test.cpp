// The table of operators is complete: nothing is named in ops.def and forgotten elsewhere.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "ggml/ops/params.hpp"
#include "support/reference_run.hpp"

namespace ql::test {
namespace {

const char * const kNames[] = {
#define QL_OP(name) #name,
#include "ggml/ops/ops.def"
};

std::string read_text(const std::string & path) {
    std::ifstream in(std::string(QL_SOURCE_DIR) + path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

TEST(OpTable, NamesAreThoseOfTheList) {
    for (size_t i = 0; i < kOpCount; ++i) {
        EXPECT_EQ(kOps[i]->name, kNames[i]);
        EXPECT_EQ(op_index(kOps[i]), i);
    }
}

TEST(OpTable, EveryOperatorHasItsParts) {
    for (const OpDef * def : kOps) {
        SCOPED_TRACE(def->name);
        EXPECT_FALSE(def->formula.empty());
        EXPECT_TRUE(def->infer);
        EXPECT_TRUE(def->reference);
        EXPECT_TRUE(def->reference64);
        ASSERT_TRUE(def->cases);
        EXPECT_GE(def->cases().size(), 2u);
        EXPECT_TRUE(def->bench);
    }
}

TEST(OpTable, EveryOperatorHasABackwardRuleOrAReason) {
    for (const OpDef * def : kOps) {
        SCOPED_TRACE(def->name);
        EXPECT_NE(def->backward != nullptr, def->no_grad != nullptr);
        EXPECT_EQ(def->backward != nullptr, def->differentiable != 0);
    }
}

/// A view's bytes are its source's: a caller that skips views may rely on that alone.
TEST(OpTable, ViewsAreAliasesOfTheirFirstSourceAndComputeNothing) {
    for (const OpDef * def : kOps) {
        if (!def->view) continue;
        for (const Case & c : def->cases()) {
            SCOPED_TRACE(std::string(def->name) + ": " + c.name);
            const CaseGraph g(*def, c, 3);
            const Node & n = *g.out->producer;
            ASSERT_EQ(n.out.size(), 1u);
            EXPECT_EQ(g.out->alias, n.src[0]);
            EXPECT_EQ(g.out->bytes(), n.src[0]->bytes());
            EXPECT_EQ(def->flops(n), 0);
        }
    }
}

/// NULL for a source that may not be absent is refused by the graph, before the shape rule reads it.
TEST(OpTable, SourcesMayBeAbsentWhereTheTableSaysSoAndNowhereElse) {
    for (const OpDef * def : kOps) {
        const std::vector<Case> cases = def->cases();
        const auto fewer = [](const Case & a, const Case & b) { return a.in.size() < b.in.size(); };
        const Case & whole = *std::max_element(cases.begin(), cases.end(), fewer);
        for (size_t i = 0; i < whole.in.size(); ++i) {
            SCOPED_TRACE(std::string(def->name) + ": source " + std::to_string(i));
            CaseGraph g(*def, whole, 3);
            std::vector<Tensor *> src = g.leaves;
            src[i] = nullptr;
            const bool optional = i < 32 && def->optional >> i & 1;
            EXPECT_EQ(g.graph.emit(*def, src, g.out->producer->params) != nullptr, optional);
            const std::string refusal = "input " + std::to_string(i) + " is NULL";
            EXPECT_EQ(g.graph.status().message().find(refusal) != std::string::npos, !optional);
        }
    }
}

TEST(OpTable, OperatorsWithABuilderAreThoseDocumentedInAPublicHeader) {
    const std::string text = read_text("/ggml/include/ql/ops.h") + read_text("/ggml/include/ql/optim.h");
    for (const OpDef * def : kOps) {
        const std::string name(def->name);
        EXPECT_EQ(text.find(" ql_" + name + "(") != std::string::npos, def->build_empty != nullptr) << name;
    }
}

TEST(OpTable, CaseNamesAreDistinctAndCasesBuildAndRun) {
    for (const OpDef * def : kOps) {
        std::set<std::string> names;
        for (const Case & c : def->cases()) {
            SCOPED_TRACE(std::string(def->name) + ": " + c.name);
            EXPECT_TRUE(names.insert(c.name).second);
            CaseGraph g(*def, c, 3);
            ReferenceRun<float> run(g.graph);
            run.fill(g, 3);
            run.run();
            for (const Operand * t : g.out->producer->out)
                for (const float y : run.values(t)) ASSERT_TRUE(std::isfinite(y)) << describe(*t);
        }
    }
}

/// Code that measures or fuzzes an operator takes these sizes as users give them.
TEST(OpTable, BenchmarksBuildAtSizesOfAModelAndAtSmallOnes) {
    for (const OpDef * def : kOps)
        for (const BenchSize & s : {BenchSize{QL_NF4_DQ, 576, 1536, 7}, BenchSize{QL_Q8_0, 64, 33, 1}}) {
            SCOPED_TRACE(std::string(def->name) + ": row length " + std::to_string(s.k));
            const Result<Case> c = def->bench(s);
            ASSERT_TRUE(c.ok()) << c.message();
            EXPECT_NO_THROW(CaseGraph(*def, *c, 3));
        }
}

TEST(OpTable, BenchmarksOfHeadsRefuseARowThatIsNoWholeNumberOfThem) {
    for (const OpDef * def : {&op::attention, &op::attention_back, &op::rope})
        EXPECT_EQ(def->bench({QL_F32, 100, 1, 1}).code(), QL_BAD_SHAPE) << def->name;
}

TEST(OpTable, ParametersAreOfTheTypeThatTheOperatorNames) {
    for (const OpDef * def : kOps)
        for (const Case & c : def->cases()) EXPECT_EQ(c.params.type(), def->params) << def->name << ": " << c.name;
}

TEST(OpTable, ParametersOfAnotherTypeAreRefusedBeforeTheyAreRead) {
    Graph g;
    const int64_t n = 4;
    Tensor * x = g.leaf(TensorKind::input, "x", QL_F32, 1, &n, nullptr);
    EXPECT_EQ(g.emit(op::rms_norm, {x, x}, LoraParams{1}), nullptr);
    EXPECT_EQ(g.status().code(), QL_INTERNAL);
}

TEST(OpTable, CasesOfAWeightCoverEveryTypeThatItMayHave) {
    for (const OpDef * def : {&op::mul_mat, &op::mul_mat_t, &op::get_rows, &op::head_loss, &op::head_loss_back}) {
        std::set<ql_dtype> covered;
        for (const Case & c : def->cases())
            for (const CaseInput & in : c.in) covered.insert(in.dtype);
        for (const DTypeDef & type : all_dtypes()) {
            EXPECT_TRUE(type.holds == Holds::numbers || covered.contains(type.id)) << def->name << " " << type.name;
        }
    }
}

TEST(OpTable, CasesHaveSizesThatAreNoMultipleOfAVector) {
    for (const OpDef * def : kOps) {
        bool odd = false;
        for (const Case & c : def->cases())
            for (const CaseInput & in : c.in) odd |= in.shape.elements() % 4 != 0 && in.shape.elements() > 4;
        EXPECT_TRUE(odd) << def->name;
    }
}

/// An operator that says it may write over a source must give the same bits when it does.
TEST(OpTable, ReferencesOfOperatorsThatMayReuseASourceWorkInPlace) {
    for (const OpDef * def : kOps)
        for (const Case & c : def->cases()) {
            SCOPED_TRACE(std::string(def->name) + ": " + c.name);
            CaseGraph g(*def, c, 5);
            const Node & node = *g.out->producer;
            std::vector<OutSpec> specs;
            ASSERT_TRUE(def->infer(node, specs).ok());
            ReferenceRun<float> apart(g.graph), in_place(g.graph);
            apart.fill(g, 5);
            in_place.fill(g, 5);
            apart.run();
            std::vector<const void *> src;
            std::vector<void *> out;
            for (const Operand * t : node.src) src.push_back(in_place.data(t));
            for (size_t i = 0; i < specs.size(); ++i)
                out.push_back(in_place.data(specs[i].may_reuse >= 0 ? node.src[static_cast<size_t>(specs[i].may_reuse)]
                                                                    : node.out[i]));
            def->reference({node, src.data(), out.data()});
            for (size_t i = 0; i < specs.size(); ++i) {
                const auto * expected = static_cast<const std::byte *>(apart.data(node.out[i]));
                EXPECT_TRUE(
                    std::equal(expected, expected + node.out[i]->bytes(), static_cast<const std::byte *>(out[i])))
                    << "result " << i;
            }
        }
}

}  // namespace
}  // namespace ql::test
