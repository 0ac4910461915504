#include "models/train/checkpoint.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include "models/arch/gguf_keys.hpp"
#include "models/arch/handles.hpp"

namespace ql {
namespace fs = std::filesystem;
namespace {

/// The tensors of a checkpoint: every parameter with its two moments.
struct Entry {
    std::string name;
    ql_tensor * tensor;
};

std::vector<Entry> entries(const TrainStep & step) {
    std::vector<Entry> list;
    for (const TrainedParam & p : step.params()) {
        list.push_back({p.name, p.param});
        list.push_back({p.name + ".m", p.m});
        list.push_back({p.name + ".v", p.v});
    }
    return list;
}

std::string state_text(const CheckpointState & s) {
    return format("%lld %lld %lld %a %a %a %d %lld %lld ", static_cast<long long>(s.step),
                  static_cast<long long>(s.skipped), static_cast<long long>(s.skipped_in_row), s.loss_first,
                  s.loss_last, s.best_eval, s.has_best, static_cast<long long>(s.total_tokens),
                  static_cast<long long>(s.metrics_bytes)) +
           s.fingerprint;
}

uint32_t crc(uint32_t start, const void * data, size_t bytes) {
    return static_cast<uint32_t>(crc32_z(start, static_cast<const Bytef *>(data), bytes));
}

constexpr size_t kPiece = size_t{1} << 20;  // tensors are hashed and written in pieces: saving needs no second copy

Status mix_tensor(const ql_tensor * t, std::vector<std::byte> & piece, uint32_t & sum) {
    const size_t bytes = ql_tensor_bytes(t);
    for (size_t at = 0; at < bytes; at += kPiece) {
        const size_t n = std::min(kPiece, bytes - at);
        QL_TRY(last_error(ql_tensor_read(t, piece.data(), at, n)));
        sum = crc(sum, piece.data(), n);
    }
    return {};
}

int produce_tensor(void * user, size_t offset, void * dst, size_t size) {
    return ql_tensor_read(static_cast<const ql_tensor *>(user), dst, offset, size);
}

Status set_keys(ql_gguf_writer * w, const CheckpointState & s) {
    const auto text = [&](const char * key, const std::string & v) {
        return last_error(ql_gguf_set_string(w, key, v.data(), v.size()));
    };
    const auto integer = [&](const char * key, int64_t v) {
        return last_error(ql_gguf_set_int(w, key, QL_GGUF_I64, v));
    };
    const auto real = [&](const char * key, double v) { return last_error(ql_gguf_set_f64(w, key, v)); };
    QL_TRY(text("general.type", "ql-checkpoint"));
    QL_TRY(integer("ql.checkpoint.version", kCheckpointVersion));
    QL_TRY(integer("ql.checkpoint.step", s.step));
    QL_TRY(integer("ql.checkpoint.skipped", s.skipped));
    QL_TRY(integer("ql.checkpoint.skipped_in_row", s.skipped_in_row));
    QL_TRY(real("ql.checkpoint.loss_first", s.loss_first));
    QL_TRY(real("ql.checkpoint.loss_last", s.loss_last));
    QL_TRY(real("ql.checkpoint.best_eval", s.best_eval));
    QL_TRY(last_error(ql_gguf_set_bool(w, "ql.checkpoint.has_best", s.has_best)));
    QL_TRY(integer("ql.checkpoint.total_tokens", s.total_tokens));
    QL_TRY(integer("ql.checkpoint.metrics_bytes", s.metrics_bytes));
    return text("ql.checkpoint.fingerprint", s.fingerprint);
}

Status get_keys(const ql_gguf * f, CheckpointState & s) {
    const auto integer = [&](const char * key, int64_t & v) { return last_error(ql_gguf_get_int(f, key, &v)); };
    const auto real = [&](const char * key, double & v) { return last_error(ql_gguf_get_float(f, key, &v)); };
    QL_TRY(integer("ql.checkpoint.step", s.step));
    QL_TRY(integer("ql.checkpoint.skipped", s.skipped));
    QL_TRY(integer("ql.checkpoint.skipped_in_row", s.skipped_in_row));
    QL_TRY(real("ql.checkpoint.loss_first", s.loss_first));
    QL_TRY(real("ql.checkpoint.loss_last", s.loss_last));
    QL_TRY(real("ql.checkpoint.best_eval", s.best_eval));
    int has_best = 0;
    QL_TRY(last_error(ql_gguf_get_bool(f, "ql.checkpoint.has_best", &has_best)));
    s.has_best = has_best != 0;
    QL_TRY(integer("ql.checkpoint.total_tokens", s.total_tokens));
    QL_TRY(integer("ql.checkpoint.metrics_bytes", s.metrics_bytes));
    ql_gguf_string text{};
    QL_TRY(last_error(ql_gguf_get_string(f, "ql.checkpoint.fingerprint", &text)));
    s.fingerprint.assign(text.data, text.size);
    return {};
}

/// Opens a checkpoint and proves it whole: type, version, checksum over state and tensors.
Result<GgufFile> open_checkpoint(const std::string & path, CheckpointState & state) {
    ql_gguf * raw = nullptr;
    QL_TRY(last_error(ql_gguf_open(path.c_str(), &raw)));
    GgufFile file(raw);
    std::string type;
    QL_TRY(GgufKeys(raw, "general").text("type", type, ""));
    if (type != "ql-checkpoint") return error(QL_BAD_FILE, "%s: not a checkpoint", path.c_str());
    int64_t version = 0, checksum = 0;
    QL_TRY(last_error(ql_gguf_get_int(raw, "ql.checkpoint.version", &version)));
    if (version != kCheckpointVersion)
        return error(QL_UNSUPPORTED, "%s: checkpoint version %lld, this program reads %d", path.c_str(),
                     static_cast<long long>(version), kCheckpointVersion);
    QL_TRY(get_keys(raw, state));
    QL_TRY(last_error(ql_gguf_get_int(raw, "ql.checkpoint.crc32", &checksum)));
    const std::string text = state_text(state);
    uint32_t sum = crc(0, text.data(), text.size());
    for (int64_t i = 0; i < ql_gguf_n_tensors(raw); ++i) {
        ql_gguf_tensor t{};
        QL_TRY(last_error(ql_gguf_tensor_at(raw, i, &t)));
        sum = crc(sum, t.data, t.size);
    }
    if (sum != static_cast<uint64_t>(checksum))
        return error(QL_BAD_FILE, "%s: the checksum does not fit: the file is damaged", path.c_str());
    return file;
}

std::map<std::string, std::string> split_fingerprint(const std::string & text) {
    std::map<std::string, std::string> pairs;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(';', at), text.size()), equals = text.find('=', at);
        if (equals < end) pairs[text.substr(at, equals - at)] = text.substr(equals + 1, end - equals - 1);
        at = end + 1;
    }
    return pairs;
}

Status compare_fingerprints(const std::string & path, const std::string & then, const std::string & now) {
    const auto old_pairs = split_fingerprint(then), new_pairs = split_fingerprint(now);
    for (const auto & [key, value] : new_pairs) {
        const auto it = old_pairs.find(key);
        if (it == old_pairs.end() || it->second != value)
            return error(QL_INVALID_ARGUMENT,
                         "%s: this run has %s %s, the checkpoint was made with %s; resume with the same, or start anew "
                         "in another --checkpoint-dir",
                         path.c_str(), key.c_str(), value.c_str(), it == old_pairs.end() ? "none" : it->second.c_str());
    }
    return {};
}

std::vector<fs::path> checkpoint_files(const std::string & directory) {
    std::vector<fs::path> files;
    std::error_code ec;
    for (const auto & entry : fs::directory_iterator(directory, ec)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("step-") && name.ends_with(".gguf")) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

void remove_unfinished(const std::string & directory) {
    std::vector<fs::path> files;
    std::error_code ec;
    for (const auto & entry : fs::directory_iterator(directory, ec)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("step-") && name.find(".gguf.tmp-") != name.npos) files.push_back(entry.path());
    }
    for (const fs::path & file : files) fs::remove(file, ec);  // one that cannot be deleted harms nothing
}

Status save_checkpoint(const std::string & directory, int64_t keep, const TrainStep & step,
                       const CheckpointState & state, std::string * path) {
    ql_gguf_writer * raw = nullptr;
    QL_TRY(last_error(ql_gguf_writer_create(&raw)));
    const GgufWriterPtr writer(raw);
    QL_TRY(set_keys(raw, state));
    const std::string text = state_text(state);
    uint32_t sum = crc(0, text.data(), text.size());
    std::vector<std::byte> piece(kPiece);
    for (const Entry & e : entries(step)) {
        const int64_t ne[] = {ql_tensor_ne(e.tensor, 0), ql_tensor_ne(e.tensor, 1)};
        QL_TRY(last_error(ql_gguf_add_produced(raw, e.name.c_str(), QL_F32, 2, ne, produce_tensor, e.tensor)));
        QL_TRY(mix_tensor(e.tensor, piece, sum));
    }
    QL_TRY(last_error(ql_gguf_set_int(raw, "ql.checkpoint.crc32", QL_GGUF_U32, sum)));
    *path = (fs::path(directory) / format("step-%08lld.gguf", static_cast<long long>(state.step))).string();
    QL_TRY(last_error(ql_gguf_write(raw, path->c_str())));

    std::vector<fs::path> files = checkpoint_files(directory);
    std::error_code ec;  // an old checkpoint that cannot be deleted harms nothing
    for (size_t i = 0; i + static_cast<size_t>(keep) < files.size(); ++i) fs::remove(files[i], ec);
    return {};
}

Result<std::string> newest_checkpoint(const std::string & directory, std::string * skipped) {
    std::vector<fs::path> files = checkpoint_files(directory);
    for (auto it = files.rbegin(); it != files.rend(); ++it) {
        CheckpointState state;
        const Result<GgufFile> file = open_checkpoint(it->string(), state);
        if (file.ok()) return it->string();
        if (file.code() != QL_BAD_FILE) return file.status();
        *skipped += (skipped->empty() ? "" : "; ") + file.message();
    }
    return std::string();
}

Status load_checkpoint(const std::string & path, const TrainStep & step, const std::string & fingerprint,
                       CheckpointState & state) {
    QL_ASSIGN(const GgufFile file, open_checkpoint(path, state));
    QL_TRY(compare_fingerprints(path, state.fingerprint, fingerprint));
    for (const Entry & e : entries(step)) {
        ql_gguf_tensor t{};
        QL_TRY(last_error(ql_gguf_find_tensor(file.get(), e.name.c_str(), &t)));
        if (t.dtype != QL_F32 || t.size != ql_tensor_bytes(e.tensor))
            return error(QL_BAD_FILE, "%s: tensor '%s' has another shape than in this run", path.c_str(),
                         e.name.c_str());
        QL_TRY(last_error(ql_tensor_write(e.tensor, t.data, 0, t.size)));
    }
    return {};
}

}  // namespace ql
