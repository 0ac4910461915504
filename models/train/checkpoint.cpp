#include "models/train/checkpoint.hpp"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/files/gguf_keys.hpp"
#include "models/train/fingerprint.hpp"
#include "models/train/schedule.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// A tensor of a checkpoint: every parameter has itself and the optimizer's states; then come the adapter's values that are
/// not trained.
struct Entry {
    std::string name;
    ql_tensor * tensor;
};

std::vector<Entry> entries(const TrainStep & step) {
    std::vector<Entry> list;
    for (const TrainedParam & p : step.params()) {
        list.push_back({p.name, p.param});
        for (const OptimizerState & s : p.optimizer.states()) list.push_back({p.name + s.suffix, s.tensor});
    }
    for (ql_tensor * t : step.frozen()) list.push_back({ql_tensor_name(t), t});
    return list;
}

/// The numbers of a state: one list for writing, reading and the checksum.
template <typename Of, typename T>
struct Field {
    const char * key;
    T Of::*value;
};
using WholeField = Field<CheckpointState, int64_t>;
using RealField = Field<CheckpointState, double>;
using UnfinishedField = Field<UnfinishedStep, double>;
constexpr WholeField kWholeFields[] = {{"ql.checkpoint.step", &CheckpointState::step},
                                       {"ql.checkpoint.skipped", &CheckpointState::skipped},
                                       {"ql.checkpoint.skipped_in_row", &CheckpointState::skipped_in_row},
                                       {"ql.checkpoint.total_tokens", &CheckpointState::total_tokens},
                                       {"ql.checkpoint.schedule_start", &CheckpointState::schedule_start},
                                       {"ql.checkpoint.schedule_steps", &CheckpointState::schedule_steps},
                                       {"ql.checkpoint.evals_in_vain", &CheckpointState::evals_in_vain},
                                       {"ql.checkpoint.metrics_bytes", &CheckpointState::metrics_bytes}};
constexpr RealField kRealFields[] = {{"ql.checkpoint.loss_first", &CheckpointState::loss_first},
                                     {"ql.checkpoint.loss_last", &CheckpointState::loss_last},
                                     {"ql.checkpoint.best_eval", &CheckpointState::best_eval}};

constexpr UnfinishedField kUnfinishedFields[] = {{"ql.checkpoint.unfinished.loss", &UnfinishedStep::loss},
                                                 {"ql.checkpoint.unfinished.lr", &UnfinishedStep::lr},
                                                 {"ql.checkpoint.unfinished.grad_norm", &UnfinishedStep::grad_norm},
                                                 {"ql.checkpoint.unfinished.tok_s", &UnfinishedStep::tok_s},
                                                 {"ql.checkpoint.unfinished.loss_scale", &UnfinishedStep::loss_scale}};
/// There where a step is unfinished.
constexpr const char * kUnfinishedTokensKey = "ql.checkpoint.unfinished.tokens";

/// crc32 over values in their binary form; texts with their length, so that no two lists of values run together.
class Checksum {
  public:
    void bytes(const void * data, size_t n) {
        sum_ = static_cast<uint32_t>(crc32_z(sum_, static_cast<const Bytef *>(data), n));
    }
    template <typename T>
    void number(T value) {
        bytes(&value, sizeof(value));
    }
    void text(std::string_view t) {
        number(static_cast<uint64_t>(t.size()));
        bytes(t.data(), t.size());
    }
    void state(const CheckpointState & s) {
        for (const WholeField & f : kWholeFields) number(s.*f.value);
        for (const RealField & f : kRealFields) number(s.*f.value);
        number(static_cast<int64_t>(s.has_best));
        number(static_cast<int64_t>(s.ended));
        if (s.loss_scale.scale > 0) number(s.loss_scale.scale), number(s.loss_scale.good_steps);
        if (s.unfinished.is) {
            number(s.unfinished.tokens);
            for (const UnfinishedField & f : kUnfinishedFields) number(s.unfinished.*f.value);
        }
        text(s.fingerprint);
        text(s.adapter);
    }
    /// A tensor's name, type and shape; its bytes follow.
    void head(std::string_view name, ql_dtype dtype, const int64_t * ne, int n_dims) {
        text(name);
        number(static_cast<int64_t>(dtype));
        number(static_cast<int64_t>(n_dims));
        bytes(ne, static_cast<size_t>(n_dims) * sizeof(*ne));
    }
    uint32_t sum() const { return sum_; }

  private:
    uint32_t sum_ = 0;
};

/// There where the run scales its loss.
constexpr const char * kLossScaleKey = "ql.checkpoint.loss_scale";
constexpr const char * kGoodStepsKey = "ql.checkpoint.loss_scale_good_steps";

constexpr size_t kPiece = size_t{1} << 20;  // tensors are summed and written in pieces: saving needs no second copy

Status mix_tensor(const ql_tensor * t, std::vector<std::byte> & piece, Checksum & sum) {
    const size_t bytes = ql_tensor_bytes(t);
    piece.resize(std::max(piece.size(), std::min(kPiece, bytes)));
    for (size_t at = 0; at < bytes; at += kPiece) {
        const size_t n = std::min(kPiece, bytes - at);
        QL_TRY(ql_tensor_read(t, piece.data(), at, n));
        sum.bytes(piece.data(), n);
    }
    return {};
}

int produce_tensor(void * user, size_t offset, void * dst, size_t size) {
    return ql_tensor_read(static_cast<const ql_tensor *>(user), dst, offset, size);
}

Status set_keys(ql_gguf_writer * w, const CheckpointState & s) {
    const auto text = [&](const char * key, const std::string & v) {
        return ql_gguf_set_string(w, key, v.data(), v.size());
    };
    QL_TRY(text("general.type", "ql-checkpoint"));
    QL_TRY(ql_gguf_set_int(w, "ql.checkpoint.version", QL_GGUF_I64,
                           s.unfinished.is ? kUnfinishedVersion : kCheckpointVersion));
    for (const WholeField & f : kWholeFields) QL_TRY(ql_gguf_set_int(w, f.key, QL_GGUF_I64, s.*f.value));
    for (const RealField & f : kRealFields) QL_TRY(ql_gguf_set_f64(w, f.key, s.*f.value));
    QL_TRY(ql_gguf_set_bool(w, "ql.checkpoint.has_best", s.has_best));
    QL_TRY(ql_gguf_set_bool(w, "ql.checkpoint.ended", s.ended));
    if (s.loss_scale.scale > 0) {
        QL_TRY(ql_gguf_set_f64(w, kLossScaleKey, s.loss_scale.scale));
        QL_TRY(ql_gguf_set_int(w, kGoodStepsKey, QL_GGUF_I64, s.loss_scale.good_steps));
    }
    if (s.unfinished.is) {
        QL_TRY(ql_gguf_set_int(w, kUnfinishedTokensKey, QL_GGUF_I64, s.unfinished.tokens));
        for (const UnfinishedField & f : kUnfinishedFields) QL_TRY(ql_gguf_set_f64(w, f.key, s.unfinished.*f.value));
    }
    QL_TRY(text("ql.checkpoint.adapter", s.adapter));
    return text("ql.checkpoint.fingerprint", s.fingerprint);
}

Status get_unfinished(const ql_gguf * f, UnfinishedStep & step) {
    if (ql_gguf_get_int(f, kUnfinishedTokensKey, &step.tokens) != QL_OK) return {};
    step.is = true;
    for (const UnfinishedField & field : kUnfinishedFields)
        QL_TRY(ql_gguf_get_float(f, field.key, &(step.*field.value)));
    return {};
}

Status get_keys(const ql_gguf * f, CheckpointState & s) {
    for (const WholeField & field : kWholeFields) QL_TRY(ql_gguf_get_int(f, field.key, &(s.*field.value)));
    for (const RealField & field : kRealFields) QL_TRY(ql_gguf_get_float(f, field.key, &(s.*field.value)));
    int has_best = 0;
    QL_TRY(ql_gguf_get_bool(f, "ql.checkpoint.has_best", &has_best));
    s.has_best = has_best != 0;
    int ended = 0;
    QL_TRY(ql_gguf_get_bool(f, "ql.checkpoint.ended", &ended));
    s.ended = ended != 0;
    const auto get_text = [&](const char * key, std::string & value) -> Status {
        ql_gguf_string text{};
        QL_TRY(ql_gguf_get_string(f, key, &text));
        value.assign(text.data, text.size);
        return {};
    };
    QL_TRY(get_unfinished(f, s.unfinished));
    QL_TRY(get_text("ql.checkpoint.adapter", s.adapter));
    QL_TRY(get_text("ql.checkpoint.fingerprint", s.fingerprint));
    if (real_in(s.fingerprint, "loss-scale") == 0) return {};
    QL_TRY(ql_gguf_get_float(f, kLossScaleKey, &s.loss_scale.scale));
    return ql_gguf_get_int(f, kGoodStepsKey, &s.loss_scale.good_steps);
}

Status check_version(const std::string & path, const ql_gguf * file) {
    std::string type;
    QL_TRY(GgufKeys(file, "general").text("type", type, ""));
    if (type != "ql-checkpoint") return error(QL_BAD_FILE, "%s: not a checkpoint", path.c_str());
    int64_t version = 0;
    QL_TRY(ql_gguf_get_int(file, "ql.checkpoint.version", &version));
    if (version == kCheckpointVersion || version == kUnfinishedVersion) return {};
    return error(QL_UNSUPPORTED,
                 "%s: checkpoint version %lld, this program reads %d; resume with the program that wrote it, or start "
                 "anew in another --checkpoint-dir",
                 path.c_str(), static_cast<long long>(version), kCheckpointVersion);
}

Status check_sum(const std::string & path, const ql_gguf * file, const CheckpointState & state) {
    int64_t written = 0;
    QL_TRY(ql_gguf_get_int(file, "ql.checkpoint.crc32", &written));
    Checksum sum;
    sum.state(state);
    for (int64_t i = 0; i < ql_gguf_n_tensors(file); ++i) {
        ql_gguf_tensor t{};
        QL_TRY(ql_gguf_tensor_at(file, i, &t));
        sum.head(t.name, t.dtype, t.ne, t.n_dims);
        sum.bytes(t.data, t.size);
        ql_gguf_forget(file, t.data, t.size);  // a run is planned while its checkpoint is open: it is not to count
    }
    if (written == static_cast<int64_t>(sum.sum())) return {};
    return error(QL_BAD_FILE, "%s: the checksum does not fit: the file is damaged", path.c_str());
}

/// Refuses numbers that no run writes, whatever the checksum says: a file may come from anyone.
Status check_ranges(const std::string & path, const CheckpointState & s) {
    constexpr int64_t most = int64_t{1} << 53;
    const struct {
        const char * name;
        int64_t value, high;
    } fields[] = {{"step", s.step, most},
                  {"skipped", s.skipped, s.step},
                  {"skipped_in_row", s.skipped_in_row, s.skipped},
                  {"total_tokens", s.total_tokens, most},
                  {"schedule_start", s.schedule_start, s.step},
                  {"schedule_steps", s.schedule_steps, most},
                  {"evals_in_vain", s.evals_in_vain, most},
                  {"metrics_bytes", s.metrics_bytes, most},
                  {"unfinished.tokens", s.unfinished.tokens, s.total_tokens}};
    for (const auto & f : fields)
        if (f.value < 0 || f.value > f.high)
            return error(QL_BAD_FILE, "%s: %s is %lld, 0 to %lld are possible: the file is damaged", path.c_str(),
                         f.name, static_cast<long long>(f.value), static_cast<long long>(f.high));
    // A schedule that does not depend on the end of the run goes on beyond it.
    const int64_t kind = whole_in(s.fingerprint, "schedule");
    const bool has_end = kind < 0 || kind > QL_SCHEDULE_INVERSE_SQRT || depends_on_end(static_cast<ql_schedule>(kind));
    if (s.schedule_steps == 0 || (has_end && s.schedule_steps < s.step - s.schedule_start))
        return error(QL_BAD_FILE, "%s: schedule_steps is %lld, and %lld are done: the file is damaged", path.c_str(),
                     static_cast<long long>(s.schedule_steps), static_cast<long long>(s.step - s.schedule_start));
    const double scale = s.loss_scale.scale;
    if (real_in(s.fingerprint, "loss-scale") > 0 &&
        (!(scale >= kLeastLossScale && scale <= kMostLossScale) || s.loss_scale.good_steps < 0))
        return error(QL_BAD_FILE, "%s: loss_scale is %g after %lld good steps: the file is damaged", path.c_str(),
                     scale, static_cast<long long>(s.loss_scale.good_steps));
    if (s.unfinished.is && s.step == 0)
        return error(QL_BAD_FILE, "%s: a step is unfinished, and none was done: the file is damaged", path.c_str());
    if (s.has_best && !std::isfinite(s.best_eval))
        return error(QL_BAD_FILE, "%s: best_eval is not finite: the file is damaged", path.c_str());
    return {};
}

/// Parameters and moments are finite; the second moment is a mean of squares, so not negative, and no block's largest
/// magnitude is. Any byte is a code.
Status check_values(const std::string & path, const ql_gguf_tensor & t) {
    if (t.dtype == QL_I8) return {};
    const std::string_view name(t.name);
    const bool not_negative = name.ends_with(".v") || name.ends_with("_absmax");
    for (size_t at = 0; at < t.size; at += sizeof(float)) {
        float value = 0;
        std::memcpy(&value, static_cast<const std::byte *>(t.data) + at, sizeof(value));
        if (std::isfinite(value) && !(not_negative && value < 0)) continue;
        return error(QL_BAD_FILE, "%s: tensor '%s' holds a number that no run writes: the file is damaged",
                     path.c_str(), t.name);
    }
    return {};
}

}  // namespace

bool has_ended(const CheckpointState & state) {
    return !state.unfinished.is && (state.ended || state.step == whole_in(state.fingerprint, "steps"));
}

bool is_extended(const CheckpointState & state, int64_t n_steps) {
    return has_ended(state) && n_steps > whole_in(state.fingerprint, "steps");
}

uint64_t checkpoint_bytes(const TrainStep & step, const CheckpointState & state) {
    uint64_t bytes = (uint64_t{1} << 16) + state.adapter.size() + state.fingerprint.size();  // keys
    for (const Entry & e : entries(step)) bytes += ql_tensor_bytes(e.tensor) + e.name.size() + 128;
    return bytes;
}

Status write_checkpoint(const std::string & path, const TrainStep & step, const CheckpointState & state) {
    GgufWriterPtr writer;
    QL_TRY(ql_gguf_writer_create(out(writer)));
    ql_gguf_writer * raw = writer.get();
    QL_TRY(set_keys(raw, state));
    Checksum sum;
    sum.state(state);
    std::vector<std::byte> piece;
    for (const Entry & e : entries(step)) {
        const int64_t ne[] = {ql_tensor_ne(e.tensor, 0), ql_tensor_ne(e.tensor, 1)};
        const ql_dtype dtype = ql_tensor_dtype(e.tensor);
        QL_TRY(ql_gguf_add_produced(raw, e.name.c_str(), dtype, 2, ne, produce_tensor, e.tensor));
        sum.head(e.name, dtype, ne, 2);
        QL_TRY(mix_tensor(e.tensor, piece, sum));
    }
    QL_TRY(ql_gguf_set_int(raw, "ql.checkpoint.crc32", QL_GGUF_U32, sum.sum()));
    return ql_gguf_write(raw, path.c_str());
}

Result<Checkpoint> open_checkpoint(const std::string & path) {
    Checkpoint c;
    c.path = path;
    QL_TRY(ql_gguf_open(path.c_str(), out(c.file)));
    const ql_gguf * raw = c.file.get();
    QL_TRY(check_version(path, raw));
    QL_TRY(get_keys(raw, c.state));
    QL_TRY(check_sum(path, raw, c.state));
    QL_TRY(check_ranges(path, c.state));
    return c;
}

Status load_checkpoint(const Checkpoint & checkpoint, const TrainStep & step, const std::string & fingerprint,
                       int64_t n_steps) {
    const char * path = checkpoint.path.c_str();
    const std::string before = with_patience_of(checkpoint.state.fingerprint, fingerprint);
    QL_TRY(compare_fingerprints(path, is_extended(checkpoint.state, n_steps) ? with_steps(before, n_steps) : before,
                                fingerprint));
    if (checkpoint.state.step > n_steps)
        return error(QL_BAD_FILE, "%s: step is %lld, the run has %lld: the file is damaged", path,
                     static_cast<long long>(checkpoint.state.step), static_cast<long long>(n_steps));
    for (const Entry & e : entries(step)) {
        ql_gguf_tensor t{};
        QL_TRY(ql_gguf_find_tensor(checkpoint.file.get(), e.name.c_str(), &t));
        if (t.dtype != ql_tensor_dtype(e.tensor) || t.ne[0] != ql_tensor_ne(e.tensor, 0) ||
            t.size != ql_tensor_bytes(e.tensor))
            return error(QL_BAD_FILE, "%s: tensor '%s' has another shape than in this run", path, e.name.c_str());
        QL_TRY(check_values(checkpoint.path, t));
        QL_TRY(ql_tensor_write(e.tensor, t.data, 0, t.size));
    }
    return {};
}

}  // namespace ql
