// The figures of a run by step, as its metrics file has them: few bytes a step, as a run may have millions.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ql/status.hpp"

namespace ql::cli {

/// What a line of a metrics file has besides evaluations, by its key there.
enum Quantity { kStep, kEpoch, kLoss, kLr, kGradNorm, kTokens, kTokS, kSeconds, kRssBytes, kLossScale, kQuantities };
struct QuantityRow {
    const char * key;
    const char * label;  // of an axis
    bool may_be_log;     // where the largest value is far from the smallest one
    double unit;         // the axis shows values divided by this
};
inline constexpr QuantityRow kQuantityRows[kQuantities] = {
    {"step", "step", false, 1},
    {"epoch", "epoch", false, 1},
    {"loss", "loss, nats a trained token", true, 1},
    {"lr", "learning rate", false, 1},
    {"grad_norm", "gradient norm", true, 1},
    {"tokens", "tokens", false, 1},
    {"tok_s", "tokens a second", false, 1},
    {"seconds", "seconds", false, 1},
    {"rss_bytes", "resident memory, MiB", false, 1024.0 * 1024},
    {"loss_scale", "scale of the loss", true, 1},
};

/// A step. NaN: it has no such figure.
struct RunStep {
    RunStep() { figures.fill(NAN); }
    std::array<double, kQuantities> figures;
    double eval_loss = NAN;
    bool skipped = false;
};

class RunFigures {
  public:
    /// kept: the quantities that will be asked for, besides the step.
    explicit RunFigures(std::vector<Quantity> kept);

    /// Tokens of a step become those so far. Seconds, which begin anew in a process that resumes, go on.
    void add(const RunStep & step);
    size_t size() const { return columns_[kStep].size(); }
    /// One of those that are kept, at the i-th step.
    double at(Quantity q, size_t i) const { return static_cast<double>(columns_[q][i]); }
    double last_step() const { return last_step_; }
    /// Whether any step has it.
    bool has(Quantity q) const;

    struct Eval {
        size_t at;  // the step's place here
        double loss;
    };
    const std::vector<Eval> & evals() const { return evals_; }
    /// Places of steps that changed nothing.
    const std::vector<size_t> & skipped() const { return skipped_; }
    bool is_skipped(size_t i) const { return std::binary_search(skipped_.begin(), skipped_.end(), i); }

  private:
    std::array<bool, kQuantities> kept_{};
    std::array<std::vector<float>, kQuantities> columns_;
    std::vector<Eval> evals_;
    std::vector<size_t> skipped_;
    double last_step_ = 0, tokens_ = 0, seconds_ = 0, seconds_before_ = 0;
};

/// Reads a metrics file to its end, or to the end of `last_step`. A last line that is not whole, as that of a run which
/// is writing it may be, is left out and *is_cut set.
/// errors  QL_NOT_FOUND, QL_IO; QL_BAD_FILE: "path: line 3: what" (no JSON, no step, a step that does not come after the one
///         before it, a figure that is no number, a line of more than 64 KiB); an empty file, one without a whole line
Status read_metrics(const std::string & path, RunFigures & run, bool * is_cut, int64_t last_step = INT64_MAX);

/// A line of a metrics file, with those of a step's figures that are there.
std::string metrics_line(const RunStep & step);

}  // namespace ql::cli
