#include "models/train/option_ranges.hpp"

#include <cmath>

#include "models/train/loss_scale.hpp"
#include "models/train/optimizer.hpp"

namespace ql {

Status in_range(const char * name, double value, double low, double high) {
    if (value >= low && value <= high) return {};
    return error(QL_INVALID_ARGUMENT, "%s: %g is out of range, %g to %g are possible", name, value, low, high);
}

Status check_train_options(const ql_train_options & o) {
    QL_TRY(in_range("ctx", static_cast<double>(o.ctx), 0, 1 << 20));
    QL_TRY(in_range("batch", static_cast<double>(o.batch), QL_BATCH_AUTO, 4096));
    QL_TRY(in_range("grad-accum", static_cast<double>(o.grad_accum), 0, 1 << 16));
    QL_TRY(in_range("epochs", o.epochs, 0, 100000));
    QL_TRY(in_range("steps", static_cast<double>(o.steps), 0, 100000000));
    QL_TRY(in_range("lr", o.lr, 0, 10));
    QL_TRY(check_enum("schedule", o.schedule, QL_SCHEDULE_INVERSE_SQRT));
    QL_TRY(in_range("lr-floor", o.lr_floor, 0, 1));
    QL_TRY(in_range("decay", o.decay, 0, 100000000));
    QL_TRY(in_range("early-stop", static_cast<double>(o.early_stop), 0, 100000000));
    QL_TRY(in_range("overwrite", o.overwrite, QL_OVERWRITE_NOTHING, QL_OVERWRITE_FINISHED));
    QL_TRY(in_range("warmup", o.warmup, 0, 100000000));
    QL_TRY(in_range("weight-decay", o.weight_decay, 0, 10));
    if (!(o.beta1 < 0)) QL_TRY(in_range("beta1", o.beta1, 0, 0.9999999));
    if (!(o.beta2 < 0)) QL_TRY(in_range("beta2", o.beta2, 0, 0.9999999));
    QL_TRY(in_range("eps", o.eps, 0, 1));
    QL_TRY(in_range("clip", o.clip, 0, 1e9));
    QL_TRY(in_range("lora-dropout", o.lora_dropout, 0, 0.99));
    QL_TRY(in_range("lora-plus-ratio", o.lora_plus_ratio, 0.001, 1000));
    QL_TRY(in_range("neftune-alpha", o.neftune_alpha, 0, 10000));
    QL_TRY(in_range("eval-every", static_cast<double>(o.eval_every), 0, 100000000));
    QL_TRY(in_range("save-every", static_cast<double>(o.save_every), 0, 100000000));
    QL_TRY(check_enum("recompute", o.recompute, QL_RECOMPUTE_ALL));
    QL_TRY(check_enum("merge-rounding", o.merge_rounding, QL_MERGE_DITHERED));
    QL_TRY(check_enum("optimizer", o.optimizer, kLastOptimizer));
    QL_TRY(check_optimizer(o.optimizer, o.spill));
    if (o.loss_scale != 0) QL_TRY(in_range("loss-scale", o.loss_scale, kLeastLossScale, kMostLossScale));
    int exponent = 0;
    if (o.loss_scale != 0 && std::frexp(o.loss_scale, &exponent) != 0.5)
        return error(QL_INVALID_ARGUMENT, "loss-scale: %g is no power of two", o.loss_scale);
    QL_TRY(in_range("loss-scale-steps", static_cast<double>(o.loss_scale_steps), 1, 100000000));
    return in_range("keep", static_cast<double>(o.keep), 1, 100000);
}

}  // namespace ql
