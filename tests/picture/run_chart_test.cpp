// What the picture of a run shows: its title, the end of its axis, epochs, means, evaluations with the best one.
#include "tools/picture/run_chart.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace ql::test {
namespace {

using namespace cli;

struct Made {
    int steps = 30;
    int eval_every = 0;
    double first = 3, last = 1;  // losses, by a straight line
    int epochs = 3;
    int skipped = 0;  // this step
};

RunFigures made(const Made & m, const ChartOptions & options = {}) {
    RunFigures run(kept_for(options));
    for (int i = 1; i <= m.steps; ++i) {
        RunStep step;
        const double part = m.steps > 1 ? (i - 1.0) / (m.steps - 1) : 0;
        step.figures[kStep] = i, step.figures[kEpoch] = static_cast<double>(m.epochs) * i / m.steps;
        step.figures[kLoss] = m.first + (m.last - m.first) * part, step.figures[kLr] = 1e-3 * (1 - part);
        step.figures[kGradNorm] = 1, step.figures[kTokens] = 100, step.figures[kSeconds] = 10 * i;
        step.figures[kTokS] = 1000;
        if (m.eval_every && i % m.eval_every == 0) step.eval_loss = 2 - part + (part > 0.7 ? 0.5 : 0);
        step.skipped = i == m.skipped;
        run.add(step);
    }
    return run;
}

Chart chart(const Made & m, const ChartOptions & options = {}) {
    return chart_of_run("title", drawn_run("run", made(m, options), options), options);
}

size_t count(const std::string & text, const std::string & part) {
    size_t n = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
    return n;
}

TEST(RunChart, HasLossRateAndNormOverOneAxisThatEndsAtTheLastStep) {
    const Chart c = chart({.steps = 37});
    ASSERT_EQ(c.panels.size(), 3u);
    EXPECT_EQ(c.panels[0].label, "loss, nats a trained token");
    EXPECT_EQ(c.panels[1].label, "learning rate");
    EXPECT_EQ(c.panels[2].label, "gradient norm");
    EXPECT_EQ(c.x_last, 37);
    EXPECT_EQ(c.panels[0].series[0].raw.size(), 37u);
    EXPECT_EQ(c.panels[0].series[0].mean.size(), 37u);
    EXPECT_TRUE(c.panels[1].series[0].mean.empty()) << "a rate has no noise";
    const std::string svg = draw_chart(c).svg();
    for (const std::string part : {">title<", ">37<", ">step<", ">mean of 5 steps<", ">37 steps, loss 1"})
        EXPECT_EQ(count(svg, part), 1u) << part;
}

TEST(RunChart, MarksWhereEpochsBegin) {
    EXPECT_EQ(chart({.steps = 30, .epochs = 3}).epochs, (std::vector<double>{10, 20})) << "the last one ends the axis";
    EXPECT_TRUE(chart({.steps = 30, .epochs = 1}).epochs.empty());
    const std::string svg = draw_chart(chart({.steps = 30, .epochs = 3})).svg();
    EXPECT_EQ(count(svg, ">epoch 2<") + count(svg, ">epoch 3<"), 2u) << "named once, in the first panel";
    EXPECT_EQ(count(svg, "stroke-dasharray=\"4.0\""), 6u) << "in every panel";
}

TEST(RunChart, EvaluationsHaveValuesAndABest) {
    const Chart c = chart({.steps = 30, .eval_every = 6});
    EXPECT_EQ(c.panels[0].series[0].evals.size(), 5u);
    EXPECT_EQ(best_of(c.panels[0].series[0].evals), 2);
    EXPECT_NE(c.subtitle.find("best evaluation 1.41 after step 18"), std::string::npos) << c.subtitle;
    const std::string svg = draw_chart(c).svg();
    EXPECT_EQ(count(svg, ">best 1.41<"), 1u);
    for (const char * value : {">1.83<", ">1.62<", ">1.71<", ">1.50<"}) EXPECT_EQ(count(svg, value), 1u) << value;
    EXPECT_EQ(count(draw_chart(chart({.steps = 30})).svg(), ">evaluation<"), 0u);
    const std::string one = draw_chart(chart({.steps = 30, .eval_every = 30})).svg();
    EXPECT_EQ(count(one, ">best "), 0u) << "a single one needs no such word";
    EXPECT_EQ(count(one, ">1.50<"), 1u);
}

TEST(RunChart, TheEvaluationBeforeTrainingIsNotTheBest) {
    EXPECT_EQ(best_of({{0, 1}, {10, 3}, {20, 2}}), 2);
    EXPECT_EQ(best_of({{0, 1}}), 0);
    EXPECT_EQ(best_of({{5, NAN}, {6, 4}}), 1);
    EXPECT_EQ(best_of({}), -1);
}

TEST(RunChart, IsLogarithmicWhereLossesAreFarApart) {
    const auto is_log = [](const Made & m, Log log) {
        ChartOptions options;
        options.log = log;
        return count(draw_chart(chart(m, options)).svg(), ">loss, nats a trained token, logarithmic<") == 1;
    };
    EXPECT_TRUE(is_log({.first = 3, .last = 0.1}, Log::automatic));
    EXPECT_FALSE(is_log({.first = 3, .last = 0.2}, Log::automatic));
    EXPECT_FALSE(is_log({.first = 3, .last = 0.1}, Log::off));
    EXPECT_TRUE(is_log({.first = 3, .last = 0.2}, Log::on));
    EXPECT_TRUE(is_log({.first = 3, .last = 0}, Log::on)) << "what is not above 0 has no place there";
    EXPECT_EQ(count(draw_chart(chart({.first = 3, .last = 0.1})).svg(), ">learning rate, logarithmic<"), 0u);
}

TEST(RunChart, SkippedStepsAreGapsAndMarks) {
    const Chart c = chart({.steps = 30, .skipped = 11});
    EXPECT_TRUE(std::isnan(c.panels[0].series[0].raw[10].y) && std::isnan(c.panels[0].series[0].mean[10].y));
    EXPECT_EQ(c.panels[0].series[0].skipped, (std::vector<double>{11}));
    EXPECT_EQ(count(draw_chart(c).svg(), ">1 skipped step<"), 1u);
}

TEST(RunChart, DrawsAnyNumberOfSteps) {
    for (const int steps : {0, 1, 2, 3, 2000, 30000}) {
        const Chart c = chart({.steps = steps, .eval_every = 1, .first = 1e30, .last = 1e-30});
        const std::string svg = draw_chart(c).svg();
        EXPECT_LT(svg.size(), 2u << 20) << steps;
        EXPECT_EQ(count(svg, "nan") + count(svg, "inf"), 0u) << steps;
    }
}

TEST(RunChart, GoesAlongTokensSecondsAndEpochs) {
    ChartOptions options;
    options.panels = {kLoss};
    options.x = kTokens;
    EXPECT_EQ(chart({.steps = 30}, options).x_last, 3000);
    EXPECT_EQ(chart({.steps = 30}, options).epochs, (std::vector<double>{1000, 2000}));
    options.x = kEpoch;
    EXPECT_EQ(chart({.steps = 30}, options).x_last, 3);
    EXPECT_TRUE(chart({.steps = 30}, options).epochs.empty());
    options.x = kSeconds;
    EXPECT_EQ(chart({.steps = 30}, options).x_last, 300);
    EXPECT_EQ(chart({.steps = 120}, options).x_last, 20);
    EXPECT_EQ(chart({.steps = 120}, options).x_label, "minutes");
    EXPECT_EQ(chart({.steps = 3600}, options).x_last, 10);
    EXPECT_EQ(chart({.steps = 3600}, options).x_label, "hours");
}

TEST(RunChart, RunsHaveColoursOfTheirOwnAndABestInTheLegend) {
    ChartOptions options;
    options.panels = {kLoss};
    std::vector<DrawnRun> runs;
    for (size_t i = 0; i < kMostRuns; ++i) {
        const Made m{.steps = 20 + static_cast<int>(i), .eval_every = 10};
        runs.push_back(drawn_run("run-" + std::to_string(i), made(m, options), options));
    }
    const Chart c = chart_of_runs("t", runs, options);
    EXPECT_EQ(c.x_last, 20 + kMostRuns - 1) << "the longest";
    EXPECT_TRUE(c.legend[0].text.starts_with("run-0: best 1.50 after step 20")) << c.legend[0].text;
    for (size_t i = 0; i < kMostRuns; ++i)
        for (size_t j = 0; j < i; ++j)
            EXPECT_TRUE(c.legend[i].colour != c.legend[j].colour || c.legend[i].dash != c.legend[j].dash) << i << j;
    EXPECT_EQ(c.panels[0].series[1].colour, c.legend[1].colour);
    EXPECT_EQ(count(draw_chart(c).svg(), "run-"), kMostRuns);
}

}  // namespace
}  // namespace ql::test
