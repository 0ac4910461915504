// Curves over a common axis, in panels one above the other: what is to be seen, without any place on the picture.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "tools/picture/axis.hpp"
#include "tools/picture/picture.hpp"

namespace ql::cli {

enum class Log { automatic, on, off };

struct Series {
    Colour colour;
    double dash = 0;                   // of its lines; 0: whole ones
    std::vector<Point> raw;            // thin; a value that is not finite is a gap
    std::vector<Point> mean;           // thick; empty: the raw curve is all there is
    std::vector<Point> evals;          // points on it
    std::vector<double> skipped = {};  // where something is missing that should be there
};

struct Panel {
    std::string label;
    double height;
    Log log;
    std::vector<Series> series;
};

struct LegendEntry {
    enum Sign { thin, thick, point, mark } sign;
    std::string text;
    Colour colour;
    double dash = 0;
};

struct Chart {
    std::string title, subtitle, x_label;
    double x_last = 1;             // the axis goes from 0 to exactly this
    bool x_whole = true;           // of ticks: whole numbers alone
    std::vector<double> epochs{};  // where the second one begins, the third one, ...
    std::vector<LegendEntry> legend{};
    std::vector<Panel> panels{};
};

/// The evaluation that counts as the best: the lowest, of those after a step where there are any. -1: there is none.
int64_t best_of(const std::vector<Point> & evals);

/// Of a chart's title: its letters, and the room for it.
inline constexpr double kTitleSize = 17, kTitleWidth = 956;

Picture draw_chart(const Chart & chart);

/// Colours that can be told apart also by readers who do not see red or green, and in grey (Okabe and Ito, Color
/// Universal Design, 2008, without its yellow, which is faint on white).
inline constexpr Colour kColours[] = {{0, 114, 178}, {213, 94, 0},   {0, 158, 115}, {204, 121, 167},
                                      {230, 159, 0}, {86, 180, 233}, {0, 0, 0}};
inline constexpr size_t kColourCount = sizeof kColours / sizeof *kColours;

}  // namespace ql::cli
