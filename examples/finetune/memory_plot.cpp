#include "examples/finetune/memory_plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "examples/finetune/axis.hpp"
#include "examples/finetune/canvas.hpp"
#include "tools/cli/program.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr int kWidth = 1200, kHeight = 640;
constexpr double kLeft = 100, kRight = 300, kTop = 60, kBottom = 70;
constexpr double kUpdatePart = 0.1;  // of the width: an update is too short to be seen to scale
constexpr Colour kPaper = {255, 255, 255}, kInk = {60, 60, 60}, kGrid = {228, 228, 228}, kLimit = {200, 30, 30};
constexpr double kMiB = 1024.0 * 1024;

// From the bottom: what stays, then what comes and goes.
enum Kind { program, weights, pages, adapter, gradients, optimizer, activations, workspace, n_kinds };
struct KindLook {
    const char * name;
    Colour colour;
};
constexpr KindLook kKinds[n_kinds] = {{"program, inputs", {150, 150, 150}},    {"weights", {78, 121, 167}},
                                      {"pages, for a while", {130, 170, 215}}, {"adapter", {89, 161, 79}},
                                      {"gradient sums", {237, 201, 72}},       {"optimizer", {242, 142, 43}},
                                      {"activations", {225, 87, 89}},          {"workspace", {176, 122, 161}}};
using Bytes = std::array<double, n_kinds>;

/// Memory while a node runs, and where along the step that is.
struct Moment {
    double begin, end;  // parts of the width
    Bytes bytes;
    bool is_backward;
};

/// What is in memory all the time.
Bytes lasting_bytes(const ql_trainer_info & info) {
    Bytes b{};
    const auto values = static_cast<double>(info.n_parameters) * sizeof(float);
    b[weights] = static_cast<double>(info.weight_bytes);
    const double paged = static_cast<double>(info.adapter_paged_bytes) / 2;  // as many of one as of the other
    b[adapter] = b[gradients] = values - paged;
    b[optimizer] = static_cast<double>(info.optimizer_bytes);
    const double inputs = static_cast<double>(info.leaf_bytes) - 2 * b[adapter] - b[optimizer];
    b[program] = static_cast<double>(info.program_bytes) + std::max(inputs, 0.0);
    return b;
}

std::vector<ql_plan_node_info> nodes_of(ql_trainer * trainer, ql_train_plan which) {
    std::vector<ql_plan_node_info> nodes;
    const ql_plan * plan = ql_trainer_plan(trainer, which);
    auto info = sized<ql_plan_info>();
    check_run(ql_plan_describe(plan, &info));
    for (int64_t i = 0; i < info.n_nodes; ++i) {
        nodes.push_back(sized<ql_plan_node_info>());
        check_run(ql_plan_node(plan, i, &nodes.back()));
    }
    return nodes;
}

/// The nodes of a plan, as wide as they have operations, between two parts of the width.
void add_moments(const std::vector<ql_plan_node_info> & nodes, const Bytes & lasting, double from, double to,
                 std::vector<Moment> & moments) {
    double total = 0;
    for (const ql_plan_node_info & n : nodes) total += n.flops;
    for (const ql_plan_node_info & n : nodes) {
        Moment m{from, from, lasting, n.is_backward != 0};
        if (!moments.empty() && moments.back().end > from) m.begin = moments.back().end;
        m.end = m.begin + (total > 0 ? n.flops / total : 0) * (to - from);
        m.bytes[pages] = static_cast<double>(n.page_bytes);
        m.bytes[activations] = static_cast<double>(n.live_bytes);
        m.bytes[workspace] = static_cast<double>(n.scratch_bytes);
        moments.push_back(m);
    }
}

double sum(const Bytes & b) {
    double total = 0;
    for (const double v : b) total += v;
    return total;
}

class MemoryPlot {
  public:
    MemoryPlot(std::vector<Moment> moments, const ql_trainer_info & info, uint64_t budget)
        : moments_(std::move(moments)),
          info_(info),
          budget_(static_cast<double>(budget)),
          y_(0, std::max(highest(moments_), std::max(planned(), budget_)) / kMiB * 1.02, false),
          canvas_(kWidth, kHeight, kPaper) {}

    void draw(const std::string & path) {
        columns();
        axes();
        parts();
        limits();
        legend();
        canvas_.save(path);
    }

  private:
    static double highest(const std::vector<Moment> & moments) {
        double most = 0;
        for (const Moment & m : moments) most = std::max(most, sum(m.bytes));
        return most;
    }
    double planned() const { return static_cast<double>(info_.planned_peak_bytes); }
    static double to_x(double part) { return kLeft + part * (kWidth - kLeft - kRight); }
    double to_y(double bytes) const { return kHeight - kBottom - y_.part(bytes / kMiB) * (kHeight - kTop - kBottom); }

    /// A column of pixels shows the most that its nodes need.
    void columns() {
        size_t next = 0;
        for (int x = static_cast<int>(kLeft); x < static_cast<int>(kWidth - kRight); ++x) {
            while (next + 1 < moments_.size() && to_x(moments_[next].end) <= x) ++next;
            Bytes most = moments_[next].bytes;
            for (size_t i = next; i < moments_.size() && to_x(moments_[i].begin) < x + 1; ++i)
                if (sum(moments_[i].bytes) > sum(most)) most = moments_[i].bytes;
            double below = 0;
            for (int k = 0; k < n_kinds; ++k) {
                const double bytes = most[static_cast<size_t>(k)];
                most_[static_cast<size_t>(k)] = std::max(most_[static_cast<size_t>(k)], bytes);
                canvas_.rectangle(x, to_y(below + bytes), x + 1, to_y(below), kKinds[k].colour);
                below += bytes;
            }
        }
    }

    void axes() {
        for (int i = 0; i < y_.n_ticks(); ++i) {
            const double y = kHeight - kBottom - y_.part(y_.at(i)) * (kHeight - kTop - kBottom);
            const std::string label = y_.label(y_.at(i));
            canvas_.line(kLeft, y, kWidth - kRight, y, 1, kGrid, 0.5);
            canvas_.text(kLeft - 12 - Canvas::text_width(label, 2), y - 7, label, kInk, 2);
        }
        canvas_.line(kLeft, kTop, kLeft, kHeight - kBottom, 1.5, kInk);
        canvas_.line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, 1.5, kInk);
        canvas_.text(20, 18, "memory of a training step, MiB", kInk, 2);
    }

    void below_axis(double from, double to, const std::string & label) {
        const double left = to_x(from) + 2, right = to_x(to) - 2, y = kHeight - kBottom + 10;
        canvas_.line(left, y, right, y, 2, kInk);
        canvas_.text((left + right - Canvas::text_width(label, 2)) / 2, y + 10, label, kInk, 2);
    }

    /// Forward and backward pass and the update, by name.
    void parts() {
        const auto turn =
            std::find_if(moments_.begin(), moments_.end(), [](const Moment & m) { return m.is_backward; });
        const double middle = turn == moments_.end() ? 0 : turn->begin, end = 1 - kUpdatePart;
        const int64_t runs = (info_.grad_accum + info_.lanes - 1) / std::max<int64_t>(info_.lanes, 1);
        const std::string times = runs > 1 ? format(", %lld times", static_cast<long long>(runs)) : "";
        below_axis(0, middle, "forward");
        below_axis(middle, end, "backward" + times);
        below_axis(end, 1, "update");
        for (const double part : {middle, end})
            canvas_.line(to_x(part), kTop, to_x(part), kHeight - kBottom, 1, kInk, 0.5);
    }

    void limit(double bytes, const std::string & label, Colour c, bool above) {
        const double y = to_y(bytes);
        for (double x = kLeft; x < kWidth - kRight; x += 14)
            canvas_.line(x, y, std::min(x + 8, kWidth - kRight), y, 2, c);
        canvas_.text(kLeft + 10, above ? y - 20 : y + 6, label, c, 2);
    }
    void limits() {
        limit(planned(), "planned peak " + print_size(info_.planned_peak_bytes), kInk, budget_ == 0);
        if (budget_ > 0) limit(budget_, "--memory " + print_size(static_cast<uint64_t>(budget_)), kLimit, true);
    }

    void legend() {
        const double x = kWidth - kRight + 24;
        double y = kTop;
        canvas_.text(x, y - 34, "at most", kInk, 2);
        for (int k = n_kinds - 1; k >= 0; --k) {
            const double bytes = most_[static_cast<size_t>(k)];
            if (bytes == 0) continue;
            canvas_.rectangle(x, y, x + 18, y + 18, kKinds[k].colour);
            canvas_.text(x + 28, y, kKinds[k].name, kInk, 2);
            canvas_.text(x + 28, y + 20, print_size(static_cast<uint64_t>(bytes)), kInk, 2);
            y += 56;
        }
    }

    const std::vector<Moment> moments_;
    const ql_trainer_info info_;
    const double budget_;
    const Axis y_;
    Canvas canvas_;
    Bytes most_{};
};

}  // namespace

void write_memory_plot(const std::string & path, ql_trainer * trainer, uint64_t budget) {
    auto info = sized<ql_trainer_info>();
    check_run(ql_trainer_describe(trainer, &info));
    const Bytes lasting = lasting_bytes(info);
    std::vector<Moment> moments;
    add_moments(nodes_of(trainer, QL_TRAIN_PLAN_MICRO_BATCH), lasting, 0, 1 - kUpdatePart, moments);
    add_moments(nodes_of(trainer, QL_TRAIN_PLAN_UPDATE), lasting, 1 - kUpdatePart, 1, moments);
    MemoryPlot(std::move(moments), info, budget).draw(path);
}

}  // namespace ql::cli
