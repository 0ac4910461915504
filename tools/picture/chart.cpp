#include "tools/picture/chart.hpp"

#include <algorithm>
#include <cmath>

#include "tools/picture/curve.hpp"

namespace ql::cli {
namespace {

constexpr double kWidth = 1000, kLeft = 76, kRight = 24, kGap = 36, kBottom = 46;
constexpr double kTextSize = 12, kTickSize = 11;
constexpr Colour kPaper = {255, 255, 255}, kInk = {40, 40, 40}, kPale = {105, 105, 105}, kGrid = {226, 226, 226},
                 kEpochLine = {150, 150, 150}, kSkipped = {200, 30, 30};
constexpr size_t kColumns = 1800;  // of pixels of the PNG, under the axis

struct Box {
    double left, top, right, bottom;
    bool meets(const Box & o) const { return left < o.right && o.left < right && top < o.bottom && o.top < bottom; }
};

/// The shapes of one panel.
class PanelDrawing {
  public:
    PanelDrawing(Picture & picture, const Chart & chart, const Panel & panel, const Axis & x, double top)
        : picture_(picture), chart_(chart), panel_(panel), x_(x), y_(axis()), top_(top), bottom_(top + panel.height) {}

    void draw(bool is_last, bool names_epochs) {
        grid(is_last);
        epochs(names_epochs);
        for (const Series & s : panel_.series) lines(s);
        for (const Series & s : panel_.series) evaluations(s);
        // Above all curves, so that none hides it: the best first, as it needs its place the most.
        for (const Series & s : panel_.series) value_of_best(s);
        if (panel_.series.size() == 1) values(panel_.series[0]);
    }

  private:
    double to_x(double v) const { return kLeft + std::clamp(x_.part(v), 0.0, 1.0) * (kWidth - kLeft - kRight); }
    double to_y(double v) const { return bottom_ - std::clamp(y_.part(v), 0.0, 1.0) * (bottom_ - top_); }
    Point place(const Point & p) const { return {to_x(p.x), to_y(p.y)}; }
    bool is_shown(double v) const { return std::fabs(v) <= kLargest && (v > 0 || !y_.is_log()); }

    Axis axis() const {
        Range all, positive;
        for (const Series & s : panel_.series)
            for (const auto * points : {&s.raw, &s.mean, &s.evals})
                for (const Point & p : *points) {
                    all.add(p.y);
                    if (p.y > 0) positive.add(p.y);
                }
        const bool log = panel_.log == Log::on || (panel_.log == Log::automatic && suits_log(all));
        return log ? Axis::logarithmic(positive) : Axis::linear(all, panel_.height > 200 ? 6 : 3);
    }

    void grid(bool is_last) {
        for (const double tick : y_.ticks()) {
            picture_.line({{kLeft, to_y(tick)}, {kWidth - kRight, to_y(tick)}}, {1, kGrid});
        }
        label_ticks();
        if (is_last) label_steps();
        picture_.line({{kLeft, top_}, {kLeft, bottom_}, {kWidth - kRight, bottom_}}, {1, kInk});
        picture_.text({kLeft - 56, top_ - 11}, panel_.label + (y_.is_log() ? ", logarithmic" : ""), kTextSize, kInk);
    }

    /// Those that have room: a low panel shows every second one, or fewer.
    void label_ticks() {
        double last = bottom_ + 100;
        for (const double tick : y_.ticks()) {
            if (last - to_y(tick) < 14) continue;
            last = to_y(tick);
            picture_.text({kLeft - 7, last + 4}, y_.label(tick), kTickSize, kPale, Align::right);
        }
    }

    /// The end of the axis has its label, and the ticks that leave it room.
    void label_steps() {
        const double y = bottom_ + 17, right = kWidth - kRight;
        const std::string end =
            chart_.x_whole && chart_.x_last < 1e5 ? format("%.0f", chart_.x_last) : short_number(chart_.x_last);
        const double room = right - std::max(Picture::text_width(end, kTickSize) + 14, 30.0);
        for (const double tick : x_.ticks()) {
            picture_.line({{to_x(tick), bottom_}, {to_x(tick), bottom_ + 4}}, {1, kInk});
            const std::string label = x_.label(tick);
            if (to_x(tick) + Picture::text_width(label, kTickSize) / 2 < room)
                picture_.text({to_x(tick), y}, label, kTickSize, kPale, Align::middle);
        }
        picture_.line({{right, bottom_}, {right, bottom_ + 4}}, {1, kInk});
        picture_.text({right, y}, end, kTickSize, kPale, Align::right);
        picture_.text({(kLeft + right) / 2, bottom_ + 35}, chart_.x_label, kTextSize, kInk, Align::middle);
    }

    /// Lines where an epoch begins, unless they are so many that nothing else would be seen.
    void epochs(bool are_named) {
        if (chart_.epochs.size() > 60) return;
        double last = kLeft;
        for (size_t i = 0; i < chart_.epochs.size(); ++i) {
            const double x = to_x(chart_.epochs[i]);
            picture_.line({{x, top_}, {x, bottom_}}, {1, kEpochLine, 0.8, 4});
            const std::string name = format("epoch %zu", i + 2);
            const double width = Picture::text_width(name, 10);
            if (!are_named || x < last + 8 || x + width + 4 > kWidth - kRight) continue;
            picture_.text({x + 4, top_ + 9}, name, 10, kPale);
            last = x + width;
        }
    }

    /// The curve, in pieces where values are missing.
    void curve(const std::vector<Point> & points, const Stroke & stroke) {
        std::vector<Point> piece;
        for (const Point & p : thinned(points, 0, chart_.x_last, kColumns)) {
            if (is_shown(p.y)) {
                piece.push_back(place(p));
                continue;
            }
            picture_.line(std::move(piece), stroke);
            piece.clear();
        }
        picture_.line(std::move(piece), stroke);
    }

    void lines(const Series & s) {
        const bool is_alone = s.mean.empty(), is_one = panel_.series.size() == 1;
        curve(s.raw, {is_alone ? 1.5 : 0.8, s.colour, is_alone ? 1 : is_one ? 0.4 : 0.25, is_alone ? s.dash : 0});
        if (is_alone && s.raw.size() <= 24)
            for (const Point & p : s.raw)
                if (is_shown(p.y)) picture_.disc(place(p), 2, s.colour);
        curve(s.mean, {2.4, s.colour, 1, s.dash});
        for (const double x : s.skipped)
            picture_.line({{to_x(x), bottom_ - 7}, {to_x(x), bottom_ - 1}}, {1.4, kSkipped});
    }

    Colour colour_of_evals(const Series & s) const { return panel_.series.size() == 1 ? kColours[1] : s.colour; }

    void evaluations(const Series & s) {
        const Colour c = colour_of_evals(s);
        curve(s.evals, {1, c, 0.7, panel_.series.size() == 1 ? 0.0 : 3.0});
        const int64_t best = best_of(s.evals);
        const double radius = s.evals.size() > 60 ? 2.2 : 3.6;
        for (size_t i = 0; i < s.evals.size(); ++i) {
            if (!is_shown(s.evals[i].y)) continue;
            const Point at = place(s.evals[i]);
            if (static_cast<int64_t>(i) == best) picture_.disc(at, 7, c), picture_.disc(at, 5.4, kPaper);
            picture_.disc(at, radius, c);
        }
    }

    void value_of_best(const Series & s) {
        const int64_t best = best_of(s.evals);
        if (best < 0 || !is_shown(s.evals[static_cast<size_t>(best)].y)) return;
        const Point & p = s.evals[static_cast<size_t>(best)];
        const std::string name = s.evals.size() > 1 ? "best " : "";
        write_value(p, name + three_digits(p.y), 11, colour_of_evals(s), s.evals.size() > 1 ? 11 : 8);
    }

    /// The last and the first one have their place before those between them.
    void values(const Series & s) {
        const size_t n = s.evals.size();
        std::vector<size_t> order;
        if (n > 0) order = {n - 1, 0};
        for (size_t i = 1; i + 1 < n; ++i) order.push_back(i);
        const int64_t best = best_of(s.evals);
        for (const size_t i : order)
            if (static_cast<int64_t>(i) != best && is_shown(s.evals[i].y))
                write_value(s.evals[i], three_digits(s.evals[i].y), 10, colour_of_evals(s), 8);
    }

    /// Above its point or below it, where no other text stands; else not at all.
    void write_value(const Point & p, const std::string & text, double size, Colour c, double away) {
        const double width = Picture::text_width(text, size);
        const Point at = place(p);
        const double left = std::clamp(at.x - width / 2, kLeft + 3, kWidth - kRight - width - 2);
        for (const double base : {at.y - away, at.y + away + 0.75 * size}) {
            const Box box{left - 2, base - size, left + width + 2, base + 0.25 * size};
            if (box.top < top_ - 4 || box.bottom > bottom_) continue;
            if (std::any_of(written_.begin(), written_.end(), [&](const Box & o) { return o.meets(box); })) continue;
            picture_.rectangle(box.left, box.top, box.right, box.bottom, kPaper, 0.75);
            picture_.text({left, base}, text, size, c);
            written_.push_back(box);
            return;
        }
    }

    Picture & picture_;
    const Chart & chart_;
    const Panel & panel_;
    const Axis & x_;
    const Axis y_;
    const double top_, bottom_;
    std::vector<Box> written_;
};

/// Where each entry of the legend stands: rows from the left, as many as it takes.
struct LegendPlaces {
    std::vector<Point> at;
    std::vector<std::string> text;
    double height = 0;

    explicit LegendPlaces(const std::vector<LegendEntry> & legend) {
        double x = kLeft - 56, y = 0;
        for (const LegendEntry & e : legend) {
            text.push_back(Picture::fit(e.text, kTextSize, kWidth - 120));
            const double width = 34 + Picture::text_width(text.back(), kTextSize) + 22;
            if (x > kLeft && x + width > kWidth) x = kLeft - 56, y += 19;
            at.push_back({x, y});
            x += width;
        }
        height = legend.empty() ? 0 : y + 19;
    }
};

void draw_legend(Picture & picture, const std::vector<LegendEntry> & legend, const LegendPlaces & places, double top) {
    for (size_t i = 0; i < legend.size(); ++i) {
        const LegendEntry & e = legend[i];
        const double x = places.at[i].x, y = top + places.at[i].y;
        if (e.sign == LegendEntry::mark)
            picture.line({{x + 13, y - 3}, {x + 13, y + 3}}, {1.4, kSkipped});
        else
            picture.line({{x, y}, {x + 26, y}}, {e.sign == LegendEntry::thick ? 2.4 : 1, e.colour,
                                                 e.sign == LegendEntry::thin ? 0.5 : 1, e.dash});
        if (e.sign == LegendEntry::point) picture.disc({x + 13, y}, 3.6, e.colour);
        picture.text({x + 34, y + 4}, places.text[i], kTextSize, kInk);
    }
}

}  // namespace

int64_t best_of(const std::vector<Point> & evals) {
    int64_t best = -1;
    for (const bool after_a_step : {true, false}) {
        for (size_t i = 0; i < evals.size(); ++i)
            if ((evals[i].x > 0 || !after_a_step) && std::isfinite(evals[i].y) &&
                (best < 0 || evals[i].y < evals[static_cast<size_t>(best)].y))
                best = static_cast<int64_t>(i);
        if (best >= 0) break;
    }
    return best;
}

Picture draw_chart(const Chart & chart) {
    const LegendPlaces legend(chart.legend);
    const double legend_top = chart.subtitle.empty() ? 54 : 73;
    double height = legend_top + legend.height - 12 + kBottom;
    for (const Panel & panel : chart.panels) height += kGap + panel.height;
    Picture picture(kWidth, std::ceil(height), kPaper);
    picture.text({kLeft - 56, 30}, Picture::fit(chart.title, kTitleSize, kTitleWidth), kTitleSize, kInk);
    picture.text({kLeft - 56, 51}, Picture::fit(chart.subtitle, kTextSize, kTitleWidth), kTextSize, kPale);
    draw_legend(picture, chart.legend, legend, legend_top);
    const Axis x = Axis::exact(0, chart.x_last, chart.x_whole);
    double top = legend_top + legend.height - 6;
    for (size_t i = 0; i < chart.panels.size(); ++i) {
        top += i == 0 ? kGap - 6 : kGap;
        PanelDrawing(picture, chart, chart.panels[i], x, top).draw(i + 1 == chart.panels.size(), i == 0);
        top += chart.panels[i].height;
    }
    return picture;
}

}  // namespace ql::cli
