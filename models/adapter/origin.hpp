// Where an adapter comes from: the base it was trained on, the runs, what made it. Files keep it under "qlora."; nothing
// that is computed depends on it, and it holds no clock times, so the same run still writes the same file.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/model/weights.hpp"
#include "ql/ql.hpp"

namespace ql {

/// One run of training that an adapter went through.
struct TrainingRun {
    std::string data;     // a hash of the samples' tokens, 16 hex digits
    std::string options;  // "ctx=512;batch=1;lr=0.0002;..."
    std::string library;  // the version that trained
    int64_t steps = 0, tokens = 0;
    std::optional<double> loss_first, loss_last;  // of a step, nats per trained token
    std::optional<double> eval_best;              // the lowest evaluation loss, where one was kept

    bool operator==(const TrainingRun &) const = default;
};

/// The merge that gives the trained model bit for bit.
struct ExactMerge {
    std::string type;      // "q4_0"; "" if there is none
    std::string base;      // BaseIdentity::file of the weights it was trained over, as loading converted them
    std::string rounding;  // kDithered or kAllDithered; "" to the nearest value

    bool operator==(const ExactMerge &) const = default;
};

struct Origin {
    BaseIdentity base;              // "" where unknown: another program's adapter
    std::string base_type;          // of the weights it was trained over, "nf4_dq"
    std::string init;               // how A began: kUniformStart, or "" if unknown
    std::string seed;               // of A's first values, decimal
    std::string options;            // of the new adapter: "r=16;alpha=32;..."
    std::string composed;           // "cat: a x 0.7 + b x 0.3", "resize, rank 8: a"; "" for one that was trained
    std::string other_base;         // over which other base it was taken all the same; "" for none
    ExactMerge merge;               // checked before a merge is said to be exact
    std::string peft;               // fields of adapter_config.json that are not known here: a JSON object, or ""
    std::vector<TrainingRun> runs;  // first to last; of a composed adapter those of its parts

    bool operator==(const Origin &) const = default;
};

/// Rounding by thresholds (ql_encode_dithered) of weights that have the type of the merge already, or of all.
inline constexpr const char *kDithered = "dithered", *kAllDithered = "all dithered";

inline constexpr const char * kUniformStart = "uniform";  // new_adapter.cpp's

/// Notes a base that an adapter was taken over though it was trained on another one.
void add_other_base(Origin & origin, const std::string & what);

inline constexpr size_t kMostRuns = 1000;
/// Appends runs; of more than kMostRuns the oldest go.
void add_runs(Origin & origin, const std::vector<TrainingRun> & runs);

/// Keys of a GGUF adapter. Unknown keys are left alone.
Status write_origin(const GgufWriterPtr & writer, const Origin & origin);
/// errors  QL_BAD_FILE: a key of another type, a hash of other than 16 hex digits, a number that no run has
Result<Origin> read_origin(const ql_gguf * file);

/// The same for a PEFT directory: texts of a safetensors file's __metadata__, the keys as in GGUF.
using OriginTexts = std::map<std::string, std::string>;
OriginTexts origin_texts(const Origin & origin);
Result<Origin> read_origin(const OriginTexts & texts);

}  // namespace ql
