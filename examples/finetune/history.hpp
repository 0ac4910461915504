// The figures of a run by step, for its picture. They are kept beside the checkpoints, so that a run that goes on has the
// whole curve, whether or not it has a metrics file.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ql/train.h"
#include "tools/picture/run_chart.hpp"

namespace ql::cli {

class History {
  public:
    struct Eval {
        double step, loss;
    };

    /// Of a run that goes on after a step: reads what it left in the folder of its checkpoints, or in its metrics file if
    /// that has more. What cannot be read is no curve's end: the run goes on without it.
    void read(const std::string & folder, const std::string & metrics, int64_t last_step);
    /// Where keep() writes from now on; "": nowhere.
    void keep_in(const std::string & folder) { kept_in_ = folder; }

    void add(const ql_train_progress & p);
    void add_eval(double step, double loss);
    /// Adds what is new to the file beside the checkpoints. Once there is one.    errors  QL_IO
    Status keep();
    /// Of a folder whose checkpoints go.
    static void forget(const std::string & folder);

    const RunFigures & figures() const { return figures_; }
    const std::vector<Eval> & evals() const { return evals_; }

  private:
    void add(const RunStep & step);
    Status replace() const;
    Status append() const;
    static std::string file_in(const std::string & folder) { return folder + "/curve.jsonl"; }

    RunFigures figures_{kept_for({})};
    std::vector<Eval> evals_;
    std::string kept_in_, unkept_;
    bool is_kept_ = false;  // the file is this run's, up to what is unkept
};

}  // namespace ql::cli
