#include "examples/finetune/memory_plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "tools/cli/program.hpp"
#include "tools/cli/units.hpp"
#include "tools/picture/axis.hpp"
#include "tools/picture/picture.hpp"

namespace ql::cli {
namespace {

constexpr double kWidth = 1000, kHeight = 540, kLeft = 76, kRight = 210, kTop = 60, kBottom = 56;
constexpr double kTextSize = 12, kTickSize = 11, kPixel = 0.5;
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
          y_(Axis::linear({0, std::max(highest(moments_), std::max(planned(), budget_)) / kMiB * 1.02, false})),
          picture_(kWidth, kHeight, kPaper) {}

    void draw(const std::string & path) {
        columns();
        axes();
        parts();
        limits();
        legend();
        check_run(picture_.save(path));
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
        for (double x = kLeft; x < kWidth - kRight; x += kPixel) {
            while (next + 1 < moments_.size() && to_x(moments_[next].end) <= x) ++next;
            Bytes most = moments_[next].bytes;
            for (size_t i = next; i < moments_.size() && to_x(moments_[i].begin) < x + kPixel; ++i)
                if (sum(moments_[i].bytes) > sum(most)) most = moments_[i].bytes;
            for (size_t k = 0; k < n_kinds; ++k) most_[k] = std::max(most_[k], most[k]);
            draw_column(x, most);
        }
        draw_column(kWidth - kRight, {});
    }

    /// Columns that are alike become one rectangle.
    void draw_column(double x, const Bytes & bytes) {
        if (bytes == drawn_) return;
        double below = 0;
        for (size_t k = 0; k < n_kinds; ++k) {
            picture_.rectangle(drawn_from_, to_y(below + drawn_[k]), x, to_y(below), kKinds[k].colour);
            below += drawn_[k];
        }
        drawn_ = bytes, drawn_from_ = x;
    }

    void axes() {
        for (const double tick : y_.ticks()) {
            const double y = to_y(tick * kMiB);
            picture_.line({{kLeft, y}, {kWidth - kRight, y}}, {1, kGrid, 0.5});
            picture_.text({kLeft - 7, y + 4}, y_.label(tick), kTickSize, kInk, Align::right);
        }
        picture_.line({{kLeft, kTop}, {kLeft, kHeight - kBottom}, {kWidth - kRight, kHeight - kBottom}}, {1, kInk});
        picture_.text({20, 32}, "memory of a training step, MiB", 17, kInk);
    }

    void below_axis(double from, double to, const std::string & label) {
        const double left = to_x(from) + 2, right = to_x(to) - 2, y = kHeight - kBottom + 10;
        picture_.line({{left, y}, {right, y}}, {2, kInk});
        picture_.text({(left + right) / 2, y + 20}, label, kTextSize, kInk, Align::middle);
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
            picture_.line({{to_x(part), kTop}, {to_x(part), kHeight - kBottom}}, {1, kInk, 0.5});
    }

    void limit(double bytes, const std::string & label, Colour c, bool above) {
        const double y = to_y(bytes);
        picture_.line({{kLeft, y}, {kWidth - kRight, y}}, {1.5, c, 1, 7});
        picture_.text({kLeft + 10, above ? y - 6 : y + 15}, label, kTextSize, c);
    }
    void limits() {
        limit(planned(), "planned peak " + print_size(info_.planned_peak_bytes), kInk, budget_ == 0);
        if (budget_ > 0) limit(budget_, "--memory " + print_size(static_cast<uint64_t>(budget_)), kLimit, true);
    }

    void legend() {
        const double x = kWidth - kRight + 20;
        double y = kTop;
        picture_.text({x, y - 10}, "at most", kTextSize, kInk);
        for (int k = n_kinds - 1; k >= 0; --k) {
            const double bytes = most_[static_cast<size_t>(k)];
            if (bytes == 0) continue;
            picture_.rectangle(x, y, x + 14, y + 14, kKinds[k].colour);
            picture_.text({x + 22, y + 11}, kKinds[k].name, kTextSize, kInk);
            picture_.text({x + 22, y + 27}, print_size(static_cast<uint64_t>(bytes)), kTextSize, kInk);
            y += 44;
        }
    }

    const std::vector<Moment> moments_;
    const ql_trainer_info info_;
    const double budget_;
    const Axis y_;
    Picture picture_;
    Bytes most_{}, drawn_{};
    double drawn_from_ = kLeft;
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
