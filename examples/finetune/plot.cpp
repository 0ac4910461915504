#include "examples/finetune/plot.hpp"

#include <algorithm>
#include <cmath>

#include "examples/finetune/axis.hpp"
#include "examples/finetune/canvas.hpp"
#include "ql/status.hpp"

namespace ql::cli {
namespace {

constexpr int kWidth = 1000, kHeight = 600;
constexpr double kLeft = 90, kRight = 30, kTop = 50, kBottom = 70;
constexpr Colour kPaper = {255, 255, 255}, kInk = {60, 60, 60}, kGrid = {228, 228, 228}, kLoss = {31, 119, 180},
                 kEval = {214, 84, 20};

class Plot {
  public:
    Plot(const History & h, Axis x, Axis y) : h_(h), x_(x), y_(y), canvas_(kWidth, kHeight, kPaper) {}

    void draw(const std::string & path) {
        axes();
        curve(h_.losses, 1.2, kLoss, 0.35);
        curve(smoothed(), 2.6, kLoss, 1);
        curve(h_.evals, 1.4, kEval, 0.6);
        for (const History::Point & p : h_.evals) canvas_.disc(to_x(p.step), to_y(p.loss), 4.5, kEval);
        legend();
        canvas_.save(path);
    }

  private:
    double to_x(double step) const { return kLeft + x_.part(step) * (kWidth - kLeft - kRight); }
    double to_y(double loss) const {
        return kHeight - kBottom - std::clamp(y_.part(loss), 0.0, 1.0) * (kHeight - kTop - kBottom);
    }

    void axes() {
        for (int i = 0; i < y_.n_ticks(); ++i) {
            const double y = to_y(y_.at(i));
            const std::string label = y_.label(y_.at(i));
            canvas_.line(kLeft, y, kWidth - kRight, y, 1, kGrid);
            canvas_.text(kLeft - 12 - Canvas::text_width(label, 2), y - 7, label, kInk, 2);
        }
        for (int i = 0; i < x_.n_ticks(); ++i) {
            const double x = to_x(x_.at(i));
            const std::string label = x_.label(x_.at(i));
            canvas_.line(x, kTop, x, kHeight - kBottom, 1, kGrid);
            canvas_.text(x - Canvas::text_width(label, 2) / 2, kHeight - kBottom + 12, label, kInk, 2);
        }
        canvas_.line(kLeft, kTop, kLeft, kHeight - kBottom, 1.5, kInk);
        canvas_.line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, 1.5, kInk);
        canvas_.text(kLeft - 60, 18, "loss, nats a trained token", kInk, 2);
        canvas_.text(kWidth - kRight - Canvas::text_width("step", 2), kHeight - 30, "step", kInk, 2);
    }

    void curve(const std::vector<History::Point> & points, double thickness, Colour c, double opacity) {
        if (points.size() == 1) canvas_.disc(to_x(points[0].step), to_y(points[0].loss), thickness, c);
        for (size_t i = 1; i < points.size(); ++i)
            canvas_.line(to_x(points[i - 1].step), to_y(points[i - 1].loss), to_x(points[i].step), to_y(points[i].loss),
                         thickness, c, opacity);
    }

    /// A running mean over about a twentieth of the curve and at least eight steps, without the bias of its start.
    std::vector<History::Point> smoothed() const {
        std::vector<History::Point> out;
        const double keep = 1 - 1 / std::max(8.0, static_cast<double>(h_.losses.size()) / 20);
        double sum = 0, weight = 0;
        for (const History::Point & p : h_.losses) {
            sum = keep * sum + p.loss;
            weight = keep * weight + 1;
            out.push_back({p.step, sum / weight});
        }
        return out;
    }

    void legend() {
        double x = kWidth - kRight - 330;
        const auto entry = [&](const char * name, double thickness, Colour c, double opacity, bool dot) {
            canvas_.line(x, 26, x + 26, 26, thickness, c, opacity);
            if (dot) canvas_.disc(x + 13, 26, 4.5, c);
            canvas_.text(x + 34, 19, name, kInk, 2);
            x += 34 + Canvas::text_width(name, 2) + 24;
        };
        entry("loss", 1.2, kLoss, 0.5, false);
        entry("mean", 2.6, kLoss, 1, false);
        if (!h_.evals.empty()) entry("evaluation", 1.4, kEval, 0.6, true);
    }

    const History & h_;
    Axis x_, y_;
    Canvas canvas_;
};

}  // namespace

void write_plot(const std::string & path, const History & history) {
    double low = INFINITY, high = -INFINITY, last = 1;
    for (const auto * points : {&history.losses, &history.evals})
        for (const History::Point & p : *points) {
            if (!std::isfinite(p.loss)) continue;
            low = std::min(low, p.loss), high = std::max(high, p.loss), last = std::max(last, p.step);
        }
    if (!(low <= high)) low = 0, high = 1;
    Plot(history, Axis(0, last, true), Axis(std::max(0.0, low - 0.05 * (high - low)), high, false)).draw(path);
}

}  // namespace ql::cli
