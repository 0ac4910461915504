#include "models/train/fingerprint.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <map>

#include "models/adapter/exact_merge.hpp"
#include "models/adapter/frozen.hpp"
#include "models/base/hash.hpp"
#include "models/base/named_random.hpp"
#include "models/train/optimizer.hpp"
#include "models/train/schedule.hpp"
#include "ql/numbers.hpp"

namespace ql {
namespace {

constexpr const char *kEarlyStop = "early-stop", *kEvalEvery = "eval-every", *kEvalData = "eval-data";

uint64_t adapter_shape(const Adapter & adapter) {
    uint64_t shape = 0;
    for (const LoraMatrix & l : adapter.matrices)
        shape = shape * 1000003 + hash_name(l.weight) + static_cast<uint64_t>(l.r * 31 + l.k * 7 + l.m) +
                static_cast<uint64_t>(l.scale * 4096) + static_cast<uint64_t>(l.kind) * 97;
    for (const TrainedNorm & norm : adapter.norms) shape = shape * 1000003 + norm.values.size();
    for (const int32_t token : adapter.invocation) shape = shape * 1000003 + static_cast<uint64_t>(token);
    for (const TokenRows & rows : adapter.rows)
        for (const int32_t id : rows.ids) shape = shape * 1000003 + hash_name(rows.weight) + static_cast<uint64_t>(id);
    return shape;
}

/// The values that training leaves as they are: another start's would go with parameters that are not their own.
uint64_t frozen_values(const Adapter & adapter) {
    uint64_t hash = 0;
    if (!has_frozen(adapter)) return hash;
    const auto mix = [&](const std::vector<float> & values) {
        for (const float v : values) hash = (hash ^ std::bit_cast<uint32_t>(v)) * 0x100000001b3;
    };
    for (const LoraMatrix & m : split_frozen(adapter).frozen) mix(m.a), mix(m.b);
    return hash;
}

/// "key=value;key=value;"
struct Pairs {
    std::string text;

    void put(const char * key, const std::string & value) { text += std::string(key) + "=" + value + ";"; }
    void whole(const char * key, int64_t value) { put(key, std::to_string(value)); }
    void real(const char * key, double value) { put(key, number_text(value)); }
};

std::map<std::string, std::string> split(const std::string & text) {
    std::map<std::string, std::string> pairs;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(';', at), text.size()), equals = text.find('=', at);
        if (equals < end) pairs[text.substr(at, equals - at)] = text.substr(equals + 1, end - equals - 1);
        at = end + 1;
    }
    return pairs;
}

std::string joined(const std::map<std::string, std::string> & pairs) {
    Pairs all;
    for (const auto & [key, value] : pairs) all.put(key.c_str(), value);
    return all.text;
}

int64_t whole_number(const std::string & text) {
    int64_t value = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// A run's schedule follows from its number of steps: with more steps it would have been another run from the first
/// step on.
Status more_steps(const std::string & path, const std::string & then, const std::string & now) {
    return error(
        QL_INVALID_ARGUMENT,
        "%s: this run has %s steps, the checkpoint belongs to one of %.20s that has not ended, and a learning rate "
        "that depends on them; end that run as it was begun, with --keep-checkpoints, then go on with more",
        path.c_str(), now.c_str(), then.c_str());
}

/// Values that are hashes: a message names what they stand for instead.
struct Hash {
    const char * key;
    const char * what;
};
constexpr Hash kHashes[] = {{"data", "other training data (or another chat template)"},
                            {kEvalData, "other evaluation data, which --early-stop ends the run by,"},
                            {"adapter-shape",
                             "another adapter (--lora-type, --lora-r, --lora-alpha, --lora-targets, --lora-layers, "
                             "--train-tokens, --alora-invocation or a pattern)"},
                            {"frozen", "another start of the adapter (--seed or --lora-init)"},
                            {"model", "another model"}};

/// A value as a person gives it.
std::string as_given(const std::string & key, const std::string & value) {
    if (key == "shuffle" || key == "packing") return value == "0" ? "off" : value == "1" ? "on" : value;
    const std::string name = key == "schedule" ? schedule_name(whole_number(value)) : "";
    return name.empty() ? value : name;
}

/// What a checkpoint was made with that does not say so, as there was no choice then.
std::string before_the_choice(const std::string & key) {
    return key == "optim" ? "adamw" : "none";
}

Status other_one(const std::string & path, const char * what) {
    return error(
        QL_INVALID_ARGUMENT,
        "%s: this run has %s than the checkpoint was made with; resume with the same, or start anew in another "
        "--checkpoint-dir",
        path.c_str(), what);
}

/// The message for a pair of another value.
Status other_value(const std::string & path, const std::string & key, const std::string & then,
                   const std::string & now) {
    if (key == "steps" && whole_number(now) > whole_number(then)) return more_steps(path, then, now);
    const auto named =
        std::find_if(std::begin(kHashes), std::end(kHashes), [&](const Hash & h) { return key == h.key; });
    if (named != std::end(kHashes)) return other_one(path, named->what);
    return error(
        QL_INVALID_ARGUMENT,
        "%s: this run has %s %s, the checkpoint was made with %.60s; resume with the same, or start anew in another "
        "--checkpoint-dir",
        path.c_str(), key.c_str(), as_given(key, now).c_str(), as_given(key, then).c_str());
}

}  // namespace

std::string run_options(const ql_train_options & o, int64_t ctx, int64_t n_steps, const Dataset & data) {
    Pairs pairs;
    pairs.whole("ctx", ctx), pairs.whole("batch", o.batch), pairs.whole("grad-accum", o.grad_accum);
    pairs.whole("steps", n_steps), pairs.real("lr", o.lr), pairs.whole("schedule", o.schedule);
    if (o.lr_floor > 0) pairs.real("lr-floor", o.lr_floor);
    if (o.schedule == QL_SCHEDULE_WSD) pairs.real("decay", o.decay);
    if (o.early_stop > 0) pairs.whole(kEarlyStop, o.early_stop), pairs.whole(kEvalEvery, o.eval_every);
    pairs.put("optim", optimizer_def(o.optimizer).rule);
    pairs.real("warmup", o.warmup), pairs.real("weight-decay", o.weight_decay), pairs.real("beta1", o.beta1);
    pairs.real("beta2", o.beta2), pairs.real("eps", o.eps), pairs.real("clip", o.clip);
    pairs.real("lora-dropout", o.lora_dropout), pairs.real("lora-plus-ratio", o.lora_plus_ratio);
    pairs.real("neftune-alpha", o.neftune_alpha);
    pairs.put("seed", std::to_string(o.seed)), pairs.whole("shuffle", o.shuffle), pairs.whole("packing", o.packing);
    if (o.loss_scale > 0) pairs.real("loss-scale", o.loss_scale), pairs.whole("loss-scale-steps", o.loss_scale_steps);
    if (o.merge_type != QL_MERGE_NONE) pairs.put("merge-aware", merge_type_name(o.merge_type));
    if (const std::string date = data.told_date(); !date.empty()) pairs.put("chat-date", date);
    return pairs.text;
}

std::string run_fingerprint(const FingerprintSource & run) {
    Pairs pairs{run_options(run.options, run.ctx, run.n_steps, run.data)};
    pairs.put("data", Hash64::hash_text(run.data.fingerprint()));
    if (run.eval) pairs.put(kEvalData, Hash64::hash_text(run.eval->fingerprint()));
    pairs.put("adapter-shape", Hash64::hash_text(adapter_shape(run.adapter)));
    if (const std::string & rounding = run.adapter.origin.merge.rounding; !rounding.empty())
        pairs.put("merge-rounding", rounding);
    pairs.put("lora-init", run.adapter.start.empty() ? "a file" : run.adapter.start);
    pairs.put("frozen", Hash64::hash_text(frozen_values(run.adapter)));
    pairs.put("model", Hash64::hash_text(run.model.fingerprint()));
    pairs.put("base-type", run.model.base_type());
    ql_device_info device{};
    device.size = sizeof(device);
    (void)ql_device_describe(run.device, &device);
    pairs.put("device", device.backend), pairs.put("isa", device.isa), pairs.put("product", device.product);
    return pairs.text;
}

int64_t whole_in(const std::string & fingerprint, const std::string & key) {
    const auto pairs = split(fingerprint);
    const auto it = pairs.find(key);
    return it == pairs.end() ? 0 : whole_number(it->second);
}

double real_in(const std::string & fingerprint, const std::string & key) {
    const auto pairs = split(fingerprint);
    const auto it = pairs.find(key);
    double value = 0;
    if (it != pairs.end()) (void)std::from_chars(it->second.data(), it->second.data() + it->second.size(), value);
    return value;
}

std::string with_steps(const std::string & fingerprint, int64_t n_steps) {
    auto pairs = split(fingerprint);
    pairs["steps"] = std::to_string(n_steps);
    return joined(pairs);
}

std::string with_patience_of(const std::string & fingerprint, const std::string & other) {
    auto pairs = split(fingerprint);
    const auto others = split(other);
    const auto own = pairs.find(kEarlyStop);
    const auto more = others.find(kEarlyStop);
    if (own == pairs.end()) return fingerprint;
    if (more == others.end())
        pairs.erase(kEarlyStop), pairs.erase(kEvalEvery);
    else if (whole_number(more->second) > whole_number(own->second))
        own->second = more->second;
    return joined(pairs);
}

std::string with_evaluations_of(const std::string & fingerprint, const std::string & other) {
    auto pairs = split(fingerprint);
    const auto others = split(other);
    if (const auto data = others.find(kEvalData); data != others.end()) pairs.emplace(*data);
    return joined(pairs);
}

bool is_evaluated_alike(const std::string & a, const std::string & b) {
    const auto of_a = split(a), of_b = split(b);
    const auto in_a = of_a.find(kEvalData), in_b = of_b.find(kEvalData);
    return in_a == of_a.end() || in_b == of_b.end() || in_a->second == in_b->second;
}

Status compare_fingerprints(const std::string & path, const std::string & then, const std::string & now) {
    const auto old_pairs = split(then), pairs = split(now);
    const auto before = [&](const std::string & key) {
        const auto it = old_pairs.find(key);
        return it == old_pairs.end() ? before_the_choice(key) : it->second;
    };
    // The optimizer first: other betas follow from it.
    if (const auto optim = pairs.find("optim"); optim != pairs.end() && before("optim") != optim->second)
        return other_value(path, "optim", before("optim"), optim->second);
    // Evaluations change nothing of a run that does not end by them, and a checkpoint need not name their data.
    const bool watched = pairs.count(kEarlyStop) > 0 && old_pairs.count(kEvalData) > 0;
    for (const auto & [key, value] : pairs)
        if (before(key) != value && (watched || key != kEvalData)) return other_value(path, key, before(key), value);
    for (const auto & [key, value] : old_pairs)
        if (pairs.count(key) == 0 && key != kEvalData)
            return error(
                QL_INVALID_ARGUMENT,
                "%s: this run has no %.40s, the checkpoint was made with %.60s; resume with the same, or start "
                "anew in another --checkpoint-dir",
                path.c_str(), key.c_str(), value.c_str());
    return {};
}

}  // namespace ql
