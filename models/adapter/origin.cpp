#include "models/adapter/origin.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/adapter/peft_config.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/json/parse_json.hpp"

namespace ql {
namespace {

constexpr int64_t kMostSteps = int64_t{1} << 53;

/// The one list of fields: Fields says whether they are read or written, and where.
template <typename Fields>
Status visit(Fields & f, Origin & o) {
    QL_TRY(f.text("qlora.base.identity", o.base.model));
    QL_TRY(f.text("qlora.base.file_hash", o.base.file));
    QL_TRY(f.text("qlora.base.type", o.base_type));
    QL_TRY(f.text("qlora.init", o.init));
    QL_TRY(f.text("qlora.seed", o.seed));
    QL_TRY(f.text("qlora.options", o.options));
    QL_TRY(f.text("qlora.composed", o.composed));
    QL_TRY(f.text("qlora.other_base", o.other_base));
    QL_TRY(f.text("qlora.merge.type", o.merge.type));
    QL_TRY(f.text("qlora.merge.base", o.merge.base));
    QL_TRY(f.text("qlora.merge.rounding", o.merge.rounding));
    QL_TRY(f.text("qlora.peft_fields", o.peft));
    auto n_runs = static_cast<int64_t>(o.runs.size());
    QL_TRY(f.whole("qlora.runs", n_runs));
    if (n_runs < 0 || n_runs > static_cast<int64_t>(kMostRuns))
        return error(QL_BAD_FILE, "qlora.runs is %lld, 0 to %zu are possible", static_cast<long long>(n_runs),
                     kMostRuns);
    o.runs.resize(static_cast<size_t>(n_runs));
    for (size_t i = 0; i < o.runs.size(); ++i) {
        TrainingRun & run = o.runs[i];
        const std::string start = "qlora.run." + std::to_string(i) + ".";
        QL_TRY(f.text(start + "data", run.data));
        QL_TRY(f.text(start + "options", run.options));
        QL_TRY(f.text(start + "library", run.library));
        QL_TRY(f.whole(start + "steps", run.steps));
        QL_TRY(f.whole(start + "tokens", run.tokens));
        QL_TRY(f.real(start + "loss_first", run.loss_first));
        QL_TRY(f.real(start + "loss_last", run.loss_last));
        QL_TRY(f.real(start + "eval_best", run.eval_best));
    }
    return {};
}

struct GgufWriting {
    const GgufWriterPtr & writer;

    Status text(const std::string & key, const std::string & value) const {
        return value.empty() ? Status() : set_string(writer, key.c_str(), value);
    }
    Status whole(const std::string & key, int64_t value) const {
        return value == 0 ? Status() : ql_gguf_set_int(writer.get(), key.c_str(), QL_GGUF_I64, value);
    }
    Status real(const std::string & key, const std::optional<double> & value) const {
        return value ? ql_gguf_set_f64(writer.get(), key.c_str(), *value) : Status();
    }
};

struct GgufReading {
    const ql_gguf * file;

    Status text(const std::string & key, std::string & value) const {
        return GgufKeys(file, "qlora").text(key.substr(6).c_str(), value, "");
    }
    Status whole(const std::string & key, int64_t & value) const {
        return ql_gguf_has_key(file, key.c_str()) ? ql_gguf_get_int(file, key.c_str(), &value) : QL_OK;
    }
    Status real(const std::string & key, std::optional<double> & value) const {
        if (!ql_gguf_has_key(file, key.c_str())) return {};
        return ql_gguf_get_float(file, key.c_str(), &value.emplace());
    }
};

struct TextWriting {
    OriginTexts & texts;

    Status text(const std::string & key, const std::string & value) const {
        if (!value.empty()) texts[key] = value;
        return {};
    }
    Status whole(const std::string & key, int64_t value) const {
        return text(key, value == 0 ? "" : std::to_string(value));
    }
    Status real(const std::string & key, const std::optional<double> & value) const {
        return text(key, value ? number_text(*value) : "");
    }
};

struct TextReading {
    const OriginTexts & texts;

    Status text(const std::string & key, std::string & value) const {
        if (const auto it = texts.find(key); it != texts.end()) value = it->second;
        return {};
    }
    template <typename T>
    Status number(const std::string & key, T & value) const {
        std::string digits;
        QL_TRY(text(key, digits));
        const char * const end = digits.data() + digits.size();
        const auto [at, fault] = std::from_chars(digits.data(), end, value);
        if (digits.empty() || (fault == std::errc() && at == end)) return {};
        return error(QL_BAD_FILE, "%s: '%.40s' is no number", key.c_str(), digits.c_str());
    }
    Status whole(const std::string & key, int64_t & value) const { return number(key, value); }
    Status real(const std::string & key, std::optional<double> & value) const {
        return texts.count(key) ? number(key, value.emplace()) : Status();
    }
};

Status check_hash(const char * what, const std::string & hash) {
    constexpr const char * digits = "0123456789abcdef";
    if (hash.empty() || (hash.size() == 16 && hash.find_first_not_of(digits) == hash.npos)) return {};
    return error(QL_BAD_FILE, "%s is '%.40s', not a hash of 16 hexadecimal digits", what, hash.c_str());
}

Status check_run(const TrainingRun & run) {
    QL_TRY(check_hash("the data of a run", run.data));
    for (const int64_t n : {run.steps, run.tokens})
        if (n < 0 || n > kMostSteps)
            return error(QL_BAD_FILE, "a run has %lld steps or tokens", static_cast<long long>(n));
    for (const std::optional<double> & loss : {run.loss_first, run.loss_last, run.eval_best})
        if (loss && !std::isfinite(*loss)) return error(QL_BAD_FILE, "the loss of a run is not finite");
    return {};
}

Status check_origin(const Origin & o) {
    QL_TRY(check_hash("qlora.base.identity", o.base.model));
    QL_TRY(check_hash("qlora.base.file_hash", o.base.file));
    QL_TRY(check_hash("qlora.merge.base", o.merge.base));
    uint64_t seed = 0;
    const char * const end = o.seed.data() + o.seed.size();
    const auto [at, fault] = std::from_chars(o.seed.data(), end, seed);
    if (!o.seed.empty() && (fault != std::errc() || at != end))
        return error(QL_BAD_FILE, "qlora.seed: '%.40s' is no seed", o.seed.c_str());
    if (!o.peft.empty()) {
        const auto json = parse_json(o.peft, 1, {.bytes = kMostUnknownBytes});
        if (!json.ok()) return error(QL_BAD_FILE, "qlora.peft_fields: %s", json.message().c_str());
        if (!json->is_object()) return error(QL_BAD_FILE, "qlora.peft_fields is no JSON object");
    }
    for (const TrainingRun & run : o.runs) QL_TRY(check_run(run));
    return {};
}

template <typename Fields>
Result<Origin> read(Fields fields) {
    Origin origin;
    QL_TRY(visit(fields, origin));
    QL_TRY(check_origin(origin));
    return origin;
}

}  // namespace

void add_other_base(Origin & origin, const std::string & what) {
    constexpr size_t kLongest = 1000;
    std::string & all = origin.other_base;
    if (what.empty() || all.find(what) != all.npos || all.size() + what.size() > kLongest) return;
    all += (all.empty() ? "" : "; ") + what;
}

void add_runs(Origin & origin, const std::vector<TrainingRun> & runs) {
    std::vector<TrainingRun> & all = origin.runs;
    all.insert(all.end(), runs.begin(), runs.end());
    if (all.size() > kMostRuns) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(kMostRuns));
}

Status write_origin(const GgufWriterPtr & writer, const Origin & origin) {
    GgufWriting fields{writer};
    Origin copy = origin;
    return visit(fields, copy);
}

Result<Origin> read_origin(const ql_gguf * file) {
    QL_ASSIGN(Origin origin, read(GgufReading{file}));
    const GgufKeys before(file, "ql.adapter");  // where older adapters keep it
    if (origin.merge.type.empty()) QL_TRY(before.text("merge_type", origin.merge.type, ""));
    if (origin.merge.base.empty()) QL_TRY(before.text("merge_base", origin.merge.base, ""));
    QL_TRY(check_origin(origin));
    return origin;
}

OriginTexts origin_texts(const Origin & origin) {
    OriginTexts texts;
    TextWriting fields{texts};
    Origin copy = origin;
    (void)visit(fields, copy);  // writing texts cannot fail
    return texts;
}

Result<Origin> read_origin(const OriginTexts & texts) {
    return read(TextReading{texts});
}

}  // namespace ql
