// The compiled training step of a model: one graph, three plans over it (micro-batch, optimizer step, evaluation),
// built once. Parameters, moments and gradient sums are leaves of the graph and outlive every run.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/adapter/adapter.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/data/batch.hpp"
#include "models/graph/builder.hpp"
#include "models/train/merge_aware.hpp"
#include "models/train/optimizer.hpp"
#include "ql/ql.hpp"

namespace ql {

struct StepOptions {
    int64_t n_tokens = 512;  // of a micro-batch
    ql_recompute recompute = QL_RECOMPUTE_CHEAP;
    float dropout = 0;
    float neftune_alpha = 0;  // 0: no noise on the embeddings
    ql_optimizer optimizer = QL_OPTIMIZER_ADAMW;
    float lora_plus_ratio = 1;        // learning rate of B over the others'
    std::vector<MergeTarget> merged;  // of the adapter's linears, for training that is merge-aware; else empty
    uint64_t memory = 0;              // bytes that the process may take; 0: no limit
    std::string spill;                // a folder for results that wait on disk; "": none do
    int64_t n_batches = 1;            // micro-batches of a step
    bool scales_loss = false;         // set_loss_scale may be called
    bool train = true;                // false: evaluation only, no gradients, no moments
    std::span<const int32_t> tokens;  // all that micro-batches will have; empty: any. What is planned counts their rows
};

/// One trainable tensor with everything that belongs to it.
struct TrainedParam {
    enum class Of { matrix, norm, rows };
    std::string name;                                // "blk.0.attn_q.weight.lora_a"
    Of of = Of::matrix;                              // what of an adapter it is
    size_t index = 0;                                // among these
    std::vector<float> LoraMatrix::*part = nullptr;  // of a matrix
    bool is_up = false;                              // LoRA+: it has the higher learning rate
    ql_tensor *param = nullptr, *sum = nullptr, *grad = nullptr;
    ParameterOptimizer optimizer;

    const std::vector<float> & values(const Adapter & a) const {
        if (of == Of::matrix) return a.matrices[index].*part;
        return of == Of::norm ? a.norms[index].values : a.rows[index].values;
    }
    std::vector<float> & values(Adapter & a) const {
        if (of == Of::matrix) return a.matrices[index].*part;
        return of == Of::norm ? a.norms[index].values : a.rows[index].values;
    }
};

/// What the rows of tokens need beside those that are trained: filled once.
struct RowConstants {
    std::string weight;
    std::vector<int32_t> ids;
    OwnRows leaves;
};

/// What a kind needs to know of a weight: filled once, never trained.
struct WeightRows {
    ql_tensor * state;
    const KindDef * kind;
    std::string weight;
    std::vector<float> known;  // what they are, where the adapter knows it; else empty
};

class TrainStep {
  public:
    /// Graph and plans alone, for an adapter of these shapes: what a step needs is known, and none of its memory touched.
    static Result<std::unique_ptr<TrainStep>> planned(const Model & model, ql_device * device, const Adapter & adapter,
                                                      const StepOptions & options);
    /// Gives the parameters the adapter's values, which have the shapes it was planned for. Once, before anything else runs.
    Status start(const Adapter & adapter);
    /// planned() and start().
    static Result<std::unique_ptr<TrainStep>> create(const Model & model, ql_device * device, const Adapter & adapter,
                                                     const StepOptions & options);

    /// Forward and backward of micro-batches; their gradients are added to the sums. Each loss is a sum of weight * nll.
    /// token_offset  of the first of them within the step; the others follow it
    Status accumulate(std::span<const MicroBatch> batches, uint64_t seed, int64_t step, int64_t token_offset,
                      std::span<float> losses);
    Status accumulate(const MicroBatch & batch, uint64_t seed, int64_t step, int64_t token_offset, float * loss) {
        return accumulate({&batch, 1}, seed, step, token_offset, {loss, 1});
    }
    /// What the loss is multiplied by for its gradients alone: losses, norm and update do not show it. A power of two.
    Status set_loss_scale(double scale);
    /// Micro-batches that go through the model side by side.
    int64_t lanes() const { return micro().lanes; }
    /// Whether anything can be learnt from the micro-batches since the last step: an activated adapter is off in samples
    /// without its invocation.
    bool has_trained_tokens() const { return has_trained_tokens_; }
    /// One optimizer step from the sums, which are zero again afterwards. A non-finite norm changes no parameter.
    Status update(const float (&hyper)[QL_HYPER_N], float * norm);
    /// Merge-aware: packs the weights anew. Needed once parameters have been written.
    Status merge() const { return merged_.run(); }
    /// Forgets the gradients accumulated so far.
    Status discard();
    /// The losses of a micro-batch's tokens (0 where there is no target), in nats.
    Status evaluate(const MicroBatch & batch, std::vector<float> & nll);

    bool parameters_are_finite() const;
    /// Copies parameters into an adapter of the same shapes.
    Status read_adapter(Adapter & adapter) const;
    const std::vector<TrainedParam> & params() const { return params_; }
    /// The parts of branches that are not trained: "blk.0.attn_q.weight.frozen_a" and the like.
    std::vector<ql_tensor *> frozen() const;
    const MergedLinears & merged() const { return merged_; }
    int64_t n_parameters() const;
    /// The plan of a micro-batch.
    ql_plan_info micro() const;
    /// What the optimizer keeps in memory between steps, and on disk.
    uint64_t optimizer_bytes() const;
    uint64_t optimizer_paged_bytes() const;
    /// Parameters and gradient sums that lie on disk, too.
    uint64_t adapter_paged_bytes() const { return adapter_paged_bytes_; }
    /// Memory of all plans together.
    ql_memory_info memory() const;
    /// What the process holds besides the plan: code, tokenizer, data, the graph itself.
    uint64_t program_bytes() const { return program_bytes_; }
    ql_plan * micro_plan() const { return micro_.get(); }
    ql_plan * update_plan() const { return update_.get(); }

  private:
    TrainStep(const Model & model, StepOptions options) : model_(model), options_(options) {}
    Status make(ql_device * device, const Adapter & trained, const std::vector<LoraMatrix> & frozen);
    Status build(const Adapter & adapter, const std::vector<LoraMatrix> & frozen);
    void build_norm(GraphBuilder & b, const Adapter & adapter, size_t norm);
    void build_rows(GraphBuilder & b, const Adapter & adapter, size_t rows);
    void build_branch(GraphBuilder & b, const Adapter & adapter, size_t matrix);
    Status build_update();
    Status plan(ql_device * device);
    Status plan_freely(ql_device * device);
    Status make_plans(ql_device * device, uint64_t memory);
    Status make_over(PlanPtr & plan, ql_device * device, const std::vector<ql_tensor *> & outputs) const;
    ql_plan_options micro_options(uint64_t memory) const;
    Result<uint64_t> least_memory(ql_device * device) const;
    std::string advice() const;
    Status page_out_adapter();
    Status find_unmapped(ql_device * device);
    uint64_t later_bytes(int64_t lanes) const;
    Status write_inputs(const MicroBatch & batch, ql_plan * plan, int lane);
    Status write_adapter(const Adapter & adapter);
    Status write_rows();
    Status write_frozen(const std::vector<LoraMatrix> & frozen);

    const Model & model_;
    StepOptions options_;
    int threads_ = 1;  // of the device
    GraphPtr graph_;  // outlives the plans
    std::vector<TrainedParam> params_;
    std::vector<WeightRows> rows_;
    std::optional<uint64_t> fingerprint_;  // of the model, once it is asked for
    std::vector<RowConstants> token_rows_;
    MergedLinears merged_;
    std::vector<int32_t> invocation_;  // of the adapter
    int activation_ = kAlways;
    bool has_trained_tokens_ = false;
    std::vector<LoraLeaves> frozen_;  // the parts of branches that are not trained
    StreamInputs inputs_;
    ql_tensor *targets_ = nullptr, *weights_ = nullptr, *key_ = nullptr, *noise_ = nullptr, *hyper_ = nullptr;
    ql_tensor *loss_ = nullptr, *nll_ = nullptr, *norm_ = nullptr;
    ql_tensor * unscale_ = nullptr;  // 1 / scale; null: none
    float scale_ = 1;                // of the loss
    std::vector<ql_tensor *> micro_outputs_, update_outputs_;
    PlanPtr micro_, update_, eval_;
    uint64_t program_bytes_ = 0, adapter_paged_bytes_ = 0;
    uint64_t unmapped_bytes_ = 0;  // of the embedding, of no row that occurs
};

}  // namespace ql
