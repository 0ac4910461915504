// Figures of a benchmark, and the machine's own limits that they are compared with.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ql/backend.h"
#include "tools/cli/program.hpp"

namespace ql::cli {

struct Figure {
    std::string name, shape, unit;
    double median = 0, min = 0;
    double of_peak = 0;  // the median over what the machine could do at most; 0: no such limit
};

/// Median and smallest of repeated rates.
Figure figure(std::string name, std::string shape, std::vector<double> rates, std::string unit, double peak);

struct Limits {
    std::vector<Figure> figures;
    double gflops = 0;     // of the product instruction that the device takes, or would fall back to
    double bandwidth = 0;  // GB/s, reading
};
/// About `seconds` for each, on as many threads as the device has, pinned to cores.
Limits measure_limits(const ql_device_info & device, double seconds);

void print_figures(const Program & program, const std::vector<Figure> & figures);

}  // namespace ql::cli
