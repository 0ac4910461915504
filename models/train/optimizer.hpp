// The optimizers of a run: what each keeps of a parameter, and its step as a node of the graph. Here is the only list of
// them; what a run cannot take yet is in it, with what to take instead.
#pragma once
#include <string>
#include <vector>

#include "ql/ql.hpp"
#include "ql/train.h"

namespace ql {

struct OptimizerDef {
    const char * name;
    double beta1, beta2;  // the usual ones
    int moments;          // AdamW has two, the others one
    bool eight_bits;      // keeps them in blocks of 8 bits
    ql_tensor * (*step)(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * const * states, ql_tensor * norm,
                        ql_tensor * hyper, float lr_scale);
    const char * missing = nullptr;  // why it cannot be taken
};

const OptimizerDef & optimizer_def(ql_optimizer optimizer);

/// errors  QL_UNSUPPORTED: it is missing; says what to take instead
Status check_optimizer(ql_optimizer optimizer);

/// The options with a number for each beta.
ql_train_options with_betas(ql_train_options options);

/// A tensor that an optimizer keeps of a parameter. It is saved under the parameter's name and the suffix.
struct OptimizerState {
    const char * suffix;
    ql_tensor * tensor;
};

/// The states of one parameter and its step. A parameter of few elements has states of f32 under every optimizer:
/// those of 8 bits would save nothing there.
class ParameterOptimizer {
  public:
    ParameterOptimizer() = default;
    /// Adds the states to the graph.
    ParameterOptimizer(ql_graph * g, ql_optimizer optimizer, const std::string & name, ql_tensor * param);

    ql_tensor * step(ql_graph * g, ql_tensor * param, ql_tensor * grad, ql_tensor * norm, ql_tensor * hyper,
                     float lr_scale) const;
    const std::vector<OptimizerState> & states() const { return states_; }
    uint64_t bytes() const;

  private:
    const OptimizerDef * def_ = nullptr;
    std::vector<OptimizerState> states_;
};

}  // namespace ql
