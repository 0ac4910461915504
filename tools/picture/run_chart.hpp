// The picture of one run, or of several over each other, made of their figures.
#pragma once
#include <string>
#include <vector>

#include "tools/picture/chart.hpp"
#include "tools/picture/run_figures.hpp"

namespace ql::cli {

struct ChartOptions {
    Quantity x = kStep;
    std::vector<Quantity> panels = {kLoss, kLr, kGradNorm};  // the first one is the largest
    size_t smooth = 0;                                       // values that a mean is taken over; 0: chosen, 1: none
    Log log = Log::automatic;                                // of the quantities that may be; on: of all
};

/// What RunFigures has to keep for such a picture.
std::vector<Quantity> kept_for(const ChartOptions & options);

/// A run among others: only what a picture shows is left of it.
struct DrawnRun {
    std::string name;
    double x_last = 0, last_step = 0;
    std::vector<Series> panels;  // one for each of the options'
    std::vector<double> epochs;  // x where one ends
    size_t n_skipped = 0, mean_over = 0;
    double last = NAN;                   // of the first panel's quantity, its mean where there is one
    double best = NAN, best_step = NAN;  // of the evaluations, with the step behind which it was made
};
DrawnRun drawn_run(const std::string & name, const RunFigures & run, const ChartOptions & options);

/// Chart of a run alone: its curve, its mean, its evaluations, where its epochs begin.
Chart chart_of_run(const std::string & title, DrawnRun run, const ChartOptions & options);
/// The runs in colours of their own.
Chart chart_of_runs(const std::string & title, std::vector<DrawnRun> runs, const ChartOptions & options);
/// More could not be told apart.
inline constexpr size_t kMostRuns = 3 * kColourCount;

}  // namespace ql::cli
