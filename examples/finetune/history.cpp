#include "examples/finetune/history.hpp"

#include <filesystem>
#include <fstream>

#include "ql/os.h"

namespace ql::cli {

void History::read(const std::string & folder, const std::string & metrics, int64_t last_step) {
    const std::string paths[] = {folder.empty() ? "" : file_in(folder), metrics};
    for (const std::string & path : paths) {
        if (path.empty()) continue;
        RunFigures found(kept_for({}));
        bool is_cut = false;
        if (!read_metrics(path, found, &is_cut, last_step).ok() || found.size() <= figures_.size()) continue;
        figures_ = std::move(found);
    }
    for (const RunFigures::Eval & e : figures_.evals()) evals_.push_back({figures_.at(kStep, e.at), e.loss});
    for (size_t i = 0, eval = 0; !kept_in_.empty() && i < figures_.size(); ++i) {
        RunStep step;
        for (const Quantity q : {kStep, kEpoch, kLoss, kLr, kGradNorm}) step.figures[q] = figures_.at(q, i);
        if (eval < figures_.evals().size() && figures_.evals()[eval].at == i)
            step.eval_loss = figures_.evals()[eval++].loss;
        step.skipped = figures_.is_skipped(i);
        unkept_ += metrics_line(step);
    }
}

void History::add(const RunStep & step) {
    figures_.add(step);
    if (!kept_in_.empty()) unkept_ += metrics_line(step);
    if (std::isfinite(step.eval_loss)) evals_.push_back({step.figures[kStep], step.eval_loss});
}

void History::add(const ql_train_progress & p) {
    RunStep step;
    step.figures[kStep] = static_cast<double>(p.step), step.figures[kEpoch] = p.epoch;
    step.figures[kLoss] = p.loss, step.figures[kLr] = p.lr, step.figures[kGradNorm] = p.grad_norm;
    step.skipped = p.skipped != nullptr;
    if (p.has_eval) step.eval_loss = p.eval_loss;
    add(step);
}

void History::add_eval(double at, double loss) {
    RunStep step;
    step.figures[kStep] = at, step.eval_loss = loss;
    add(step);
}

Status History::keep() {
    std::error_code ec;
    if (kept_in_.empty() || !std::filesystem::is_directory(kept_in_, ec)) return {};
    QL_TRY(is_kept_ ? append() : replace());
    is_kept_ = true;
    unkept_ = {};
    return {};
}

/// What an earlier process left is there until all of this one's is.
Status History::replace() const {
    return ql_os_write_file(file_in(kept_in_).c_str(), unkept_.data(), unkept_.size());
}

Status History::append() const {
    const std::string path = file_in(kept_in_);
    std::ofstream file(path, std::ios::binary | std::ios::app);
    file << unkept_ << std::flush;
    return file ? Status() : error(QL_IO, "%s: the picture's figures cannot be kept", path.c_str());
}

void History::forget(const std::string & folder) {
    std::error_code ec;
    std::filesystem::remove(file_in(folder), ec);
}

}  // namespace ql::cli
