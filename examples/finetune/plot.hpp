// The picture of a run that --plot asks for: its curve under a title that says what was trained on what.
#pragma once
#include <string>

#include "examples/finetune/history.hpp"

namespace ql::cli {

/// What stands above the curve: names of files, however long, leave room for the figures.
struct PlotTitle {
    std::string model, data;
    int64_t r_min = 0, r_max = 0;
    double lr = 0;
};
std::string plot_title(const PlotTitle & title);

/// Throws Stop if the file cannot be written.
void write_plot(const std::string & path, const PlotTitle & title, const History & history);

}  // namespace ql::cli
