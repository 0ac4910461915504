#include "tools/picture/run_chart.hpp"

#include <algorithm>

#include "tools/picture/curve.hpp"

namespace ql::cli {
namespace {

constexpr double kLargePanel = 340, kSmallPanel = 84;
constexpr size_t kThinColumns = 1800;  // of pixels: what is drawn of a curve cannot be finer

/// Pairs of x and a quantity, a place for every step.
std::vector<Point> points_of(const RunFigures & run, Quantity x, Quantity y) {
    std::vector<Point> points(run.size());
    for (size_t i = 0; i < run.size(); ++i) points[i] = {run.at(x, i), run.at(y, i) / kQuantityRows[y].unit};
    // Where a figure of x is missing, that of the step before stands for it: a line must not go back.
    double last = 0;
    for (Point & p : points) last = p.x = std::max(last, p.x);
    return points;
}

/// Where one epoch has ended and another begins.
std::vector<double> epoch_ends(const RunFigures & run, const std::vector<Point> & along) {
    std::vector<double> ends;
    double next = 1;
    for (size_t i = 0; i + 1 < run.size() && ends.size() < 1000; ++i)
        if (const double epoch = run.at(kEpoch, i); epoch >= next - 1e-6) {
            ends.push_back(along[i].x);
            next = std::floor(epoch + 1e-6) + 1;
        }
    return ends;
}

bool has_evals(const DrawnRun & run) {
    return !run.panels.empty() && !run.panels[0].evals.empty();
}

std::vector<Panel> panels_of(const ChartOptions & options) {
    std::vector<Panel> panels;
    for (const Quantity q : options.panels) {
        const bool may_be_log = kQuantityRows[q].may_be_log || options.log == Log::on;
        panels.push_back({kQuantityRows[q].label,
                          panels.empty() ? kLargePanel : kSmallPanel,
                          may_be_log ? options.log : Log::off,
                          {}});
    }
    return panels;
}

/// x in a unit that people read: seconds of hours are none.
void name_x(Chart & chart, const ChartOptions & options) {
    chart.x_label = kQuantityRows[options.x].label;
    chart.x_whole = options.x == kStep || options.x == kTokens;
    if (options.x != kSeconds || chart.x_last <= 600) return;
    const double unit = chart.x_last > 3 * 3600 ? 3600 : 60;
    chart.x_label = unit > 60 ? "hours" : "minutes";
    chart.x_last /= unit;
    for (double & x : chart.epochs) x /= unit;
    for (Panel & panel : chart.panels)
        for (Series & s : panel.series) {
            for (auto * points : {&s.raw, &s.mean, &s.evals})
                for (Point & p : *points) p.x /= unit;
            for (double & x : s.skipped) x /= unit;
        }
}

std::string count(double n, const char * what) {
    return format("%.0f %s%s", n, what, n == 1 ? "" : "s");
}

}  // namespace

std::vector<Quantity> kept_for(const ChartOptions & options) {
    std::vector<Quantity> kept = options.panels;
    kept.push_back(options.x);
    kept.push_back(kEpoch);
    return kept;
}

DrawnRun drawn_run(const std::string & name, const RunFigures & run, const ChartOptions & options) {
    DrawnRun drawn{name};
    const size_t n = options.smooth > 0 ? options.smooth : usual_mean(run.size());
    for (const Quantity q : options.panels) {
        Series s{};
        s.raw = points_of(run, options.x, q);
        const bool is_first = drawn.panels.empty(), is_smooth = q == kLr || q == kEpoch || q == kTokens;
        if (is_first) {
            drawn.x_last = s.raw.empty() ? 0 : s.raw.back().x;
            drawn.epochs = options.x == kEpoch ? std::vector<double>() : epoch_ends(run, s.raw);
            for (const size_t at : run.skipped()) s.skipped.push_back(s.raw[at].x);
        }
        if (n >= 3 && !is_smooth) s.mean = centred_mean(s.raw, n), drawn.mean_over = n;
        if (is_first && q == kLoss)
            for (const RunFigures::Eval & e : run.evals()) s.evals.push_back({s.raw[e.at].x, e.loss});
        const auto & shown = s.mean.empty() ? s.raw : s.mean;
        for (size_t i = shown.size(); is_first && i-- > 0 && !std::isfinite(drawn.last);) drawn.last = shown[i].y;
        s.raw = thinned(s.raw, 0, drawn.x_last, kThinColumns), s.mean = thinned(s.mean, 0, drawn.x_last, kThinColumns);
        drawn.panels.push_back(std::move(s));
    }
    drawn.last_step = run.last_step(), drawn.n_skipped = run.skipped().size();
    if (has_evals(drawn))
        if (const int64_t best = best_of(drawn.panels[0].evals); best >= 0) {
            const RunFigures::Eval & e = run.evals()[static_cast<size_t>(best)];
            drawn.best = e.loss, drawn.best_step = run.at(kStep, e.at);
        }
    return drawn;
}

Chart chart_of_run(const std::string & title, DrawnRun run, const ChartOptions & options) {
    Chart chart{title};
    chart.x_last = run.x_last, chart.epochs = run.epochs;
    chart.subtitle = count(run.last_step, "step");
    if (std::isfinite(run.last))
        chart.subtitle +=
            std::string(", ") + kQuantityRows[options.panels[0]].key + " " + three_digits(run.last) + " at the end";
    if (std::isfinite(run.best))
        chart.subtitle +=
            ", best evaluation " + three_digits(run.best) + " after step " + format("%.0f", run.best_step);
    const Colour c = kColours[0];
    const bool has_mean = run.mean_over > 0 && !run.panels.empty() && !run.panels[0].mean.empty();
    chart.legend.push_back(
        {has_mean ? LegendEntry::thin : LegendEntry::thick, kQuantityRows[options.panels[0]].key, c});
    if (has_mean) chart.legend.push_back({LegendEntry::thick, format("mean of %zu steps", run.mean_over), c});
    if (has_evals(run)) chart.legend.push_back({LegendEntry::point, "evaluation", kColours[1]});
    if (run.n_skipped > 0)
        chart.legend.push_back({LegendEntry::mark, count(static_cast<double>(run.n_skipped), "skipped step"), {}});
    chart.panels = panels_of(options);
    for (size_t i = 0; i < chart.panels.size(); ++i) {
        chart.panels[i].series.push_back(std::move(run.panels[i]));
        chart.panels[i].series[0].colour = c;
    }
    name_x(chart, options);
    return chart;
}

Chart chart_of_runs(const std::string & title, std::vector<DrawnRun> runs, const ChartOptions & options) {
    Chart chart{title};
    chart.x_last = 0;
    chart.panels = panels_of(options);
    for (size_t r = 0; r < runs.size(); ++r) {
        DrawnRun & run = runs[r];
        const Colour c = kColours[r % kColourCount];
        const double dash = r < kColourCount ? 0 : r < 2 * kColourCount ? 7 : 2.5;
        std::string name = run.name;
        if (std::isfinite(run.best))
            name += ": best " + three_digits(run.best) + " after step " + format("%.0f", run.best_step);
        chart.legend.push_back({has_evals(run) ? LegendEntry::point : LegendEntry::thick, name, c, dash});
        chart.x_last = std::max(chart.x_last, run.x_last);
        for (size_t i = 0; i < chart.panels.size(); ++i) {
            run.panels[i].colour = c, run.panels[i].dash = dash;
            chart.panels[i].series.push_back(std::move(run.panels[i]));
        }
    }
    name_x(chart, options);
    return chart;
}

}  // namespace ql::cli
