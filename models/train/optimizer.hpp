// The optimizers of a run: what each keeps of a parameter, and its step as a node of the graph. Here is the only list of
// them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ql/ql.hpp"
#include "ql/train.h"

namespace ql {

inline constexpr ql_optimizer kLastOptimizer = QL_OPTIMIZER_PAGED_LION8BIT;

/// A tensor below is not worth a move to disk.
inline constexpr uint64_t kSmallestPagedState = 4096;

struct OptimizerDef {
    const char * name;
    const char * rule;    // the optimizer that computes the same with its states in memory, which may be itself
    double beta1, beta2;  // the usual ones
    int moments;          // AdamW has two, the others one
    bool eight_bits;      // keeps them in blocks of 8 bits
    ql_tensor * (*step)(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * const * states, ql_tensor * norm,
                        ql_tensor * hyper, float lr_scale);
    bool is_paged() const { return std::string_view(name) != rule; }
};

const OptimizerDef & optimizer_def(ql_optimizer optimizer);

/// errors  QL_INVALID_ARGUMENT: its states are paged out, and there is no folder for them
Status check_optimizer(ql_optimizer optimizer, const char * spill);

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
    /// The states that lie on disk between updates: of a paged optimizer all but those of a few KiB.
    std::vector<ql_tensor *> paged_states() const;
    /// Of all states.
    uint64_t bytes() const;

  private:
    const OptimizerDef * def_ = nullptr;
    bool is_paged_ = false;
    std::vector<OptimizerState> states_;
};

}  // namespace ql
