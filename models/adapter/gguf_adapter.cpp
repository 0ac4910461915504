// Adapters as GGUF, exactly as llama.cpp's loader accepts them. What that loader would refuse, or abort on, is refused
// here on reading, and so also right after writing.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <map>

#include "models/adapter/formats.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/files/file_fault.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/files/replace_file.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

constexpr const char * kAlpha = "adapter.lora.alpha";
constexpr const char * kTemplate = "tokenizer.chat_template";
constexpr const char * kKind = "adapter.lora.kind";  // absent: lora
constexpr const char * kInvocation = "adapter.alora.invocation_tokens";
constexpr const char * kDate = "adapter.chat_template.date";
constexpr const char * kKwargs = "adapter.chat_template.kwargs";
constexpr const char * kBaseName = "general.base_model.0.name";
constexpr std::string_view kSuffixA = ".lora_a", kSuffixB = ".lora_b", kSuffixMagnitude = ".lora_magnitude";
constexpr std::string_view kSuffixRows = ".rows", kSuffixIds = ".row_ids";
constexpr size_t kMaxName = 63;

// ---- reading
// ---------------------------------------------------------------------------------------------------------

struct Halves {
    ql_gguf_tensor a{}, b{}, magnitude{};
};

struct NamedPart {
    std::string_view suffix;
    ql_gguf_tensor Halves::*tensor;
};
constexpr NamedPart kParts[] = {{kSuffixA, &Halves::a}, {kSuffixB, &Halves::b}, {kSuffixMagnitude, &Halves::magnitude}};

/// Keys of adapters that change nothing of what is computed.
constexpr HarmlessKey kHarmlessKeys[] = {
    {"type"},                     // what this file is read as
    {"lora.alpha"},               // read_alpha
    {"alora.invocation_tokens"},  // read_invocation
    {"lora.task_name"},
    {"lora.prompt_prefix"},  // llama.cpp shows them
};

Status expect_text(const ql_gguf * file, const char * group, const char * key, const char * expected) {
    std::string value;
    QL_TRY(GgufKeys(file, group).text(key, value));
    if (value == expected) return {};
    return error(QL_BAD_FILE, "%s.%s is '%.40s', a LoRA adapter has '%s'", group, key, value.c_str(), expected);
}

Status read_alpha(const ql_gguf * file, float & alpha) {
    ql_gguf_type type;
    QL_TRY(ql_gguf_key_type(file, kAlpha, &type));
    if (type != QL_GGUF_F32)
        return error(QL_BAD_FILE, "%s has type %d; it must be a 32-bit float", kAlpha, static_cast<int>(type));
    double value = 0;
    QL_TRY(ql_gguf_get_float(file, kAlpha, &value));
    if (!std::isfinite(value)) return error(QL_BAD_FILE, "%s is not finite", kAlpha);
    alpha = static_cast<float>(value);
    return {};
}

/// Tokens as llama.cpp reads them; none where the adapter acts on all tokens.
Result<std::vector<int32_t>> read_invocation(const ql_gguf * file) {
    if (!ql_gguf_has_key(file, kInvocation)) return std::vector<int32_t>();
    ql_gguf_array array{};
    QL_TRY(ql_gguf_get_array(file, kInvocation, &array));
    if (array.type != QL_GGUF_U32 || array.n == 0)
        return error(QL_BAD_FILE, "%s must be an array of unsigned 32-bit integers, at least one", kInvocation);
    std::vector<uint32_t> raw(static_cast<size_t>(array.n));
    std::memcpy(raw.data(), array.data, raw.size() * sizeof(uint32_t));
    std::vector<int32_t> tokens;
    for (const uint32_t token : raw) {
        if (token > INT32_MAX) return error(QL_BAD_FILE, "%s holds %u, which is no token", kInvocation, token);
        tokens.push_back(static_cast<int32_t>(token));
    }
    return tokens;
}

Result<LoraKind> read_kind(const GgufKeys & keys) {
    std::string name;
    QL_TRY(keys.text("lora.kind", name, def_of(LoraKind::lora).name));
    Result<LoraKind> kind = kind_named(name);
    if (!kind.ok()) return error(QL_UNSUPPORTED, "%s: %s", kKind, kind.message().c_str());
    return kind;
}

/// The types in which llama.cpp loads adapters.
bool is_adapter_type(ql_dtype dtype) {
    return dtype == QL_F32 || dtype == QL_F16 || dtype == QL_BF16 || dtype == QL_Q8_0;
}

Status check_type(const ql_gguf_tensor & t) {
    if (!is_adapter_type(t.dtype))
        return error(QL_UNSUPPORTED, "tensor '%s' is %s; %s are possible in an adapter", t.name, ql_dtype_name(t.dtype),
                     dtype_names(is_adapter_type).c_str());
    if (t.ne[2] == 1 && t.ne[3] == 1) return {};
    return error(QL_BAD_FILE, "tensor '%s' has %d dimensions, 2 are needed", t.name, t.n_dims);
}

Status decode(const ql_gguf_tensor & t, std::vector<float> & values) {
    const int64_t n = t.ne[0] * t.ne[1];
    values.resize(static_cast<size_t>(n));
    if (const ql_status status = ql_decode(t.dtype, t.data, n, 0, n, values.data()); status != QL_OK)
        return error(status, "tensor '%s': %s", t.name, ql_error_message());
    return {};
}

/// Rows of tokens by their weight: the values of one tensor, the ids of the other.
using RowsByWeight = std::map<std::string, TokenRows>;

/// Reads a tensor of rows' values or ids; false for another one.
Result<bool> collect_rows(const ql_gguf_tensor & t, RowsByWeight & rows) {
    const std::string_view name = t.name;
    const bool is_ids = name.ends_with(kSuffixIds);
    if (!is_ids && !name.ends_with(kSuffixRows)) return false;
    TokenRows & of = rows[std::string(name.substr(0, name.size() - (is_ids ? kSuffixIds : kSuffixRows).size()))];
    if (!is_ids) {
        QL_TRY(check_type(t));
        QL_TRY(decode(t, of.values));
        return true;
    }
    if (t.dtype != QL_I32 || t.n_dims != 1)
        return error(QL_BAD_FILE, "tensor '%s' is %s of %d dimensions; ids are i32 of one", t.name,
                     ql_dtype_name(t.dtype), t.n_dims);
    of.ids.resize(static_cast<size_t>(t.ne[0]));
    std::memcpy(of.ids.data(), t.data, t.size);
    return true;
}

/// Tensors by the weight they change, whole norms, and rows of tokens; other tensors are an error.
Status collect(const ql_gguf * file, std::map<std::string, Halves> & found, Adapter & adapter) {
    RowsByWeight rows;
    for (int64_t i = 0; i < ql_gguf_n_tensors(file); ++i) {
        ql_gguf_tensor t{};
        QL_TRY(ql_gguf_tensor_at(file, i, &t));
        const std::string_view name = t.name;
        const auto part = std::find_if(std::begin(kParts), std::end(kParts),
                                       [&](const NamedPart & p) { return name.ends_with(p.suffix); });
        if (part == std::end(kParts) && is_norm(name)) {
            QL_TRY(check_type(t));
            adapter.norms.push_back({t.name, {}});
            QL_TRY(decode(t, adapter.norms.back().values));
            continue;
        }
        QL_ASSIGN(const bool is_of_rows, collect_rows(t, rows));
        if (is_of_rows) continue;
        if (part == std::end(kParts))
            return error(QL_BAD_FILE, "tensor '%s' ends in neither .lora_a nor .lora_b", t.name);
        QL_TRY(check_type(t));
        found[std::string(name.substr(0, name.size() - part->suffix.size()))].*part->tensor = t;
    }
    for (auto & [weight, of] : rows) {
        of.weight = weight;
        adapter.rows.push_back(std::move(of));
    }
    std::reverse(adapter.rows.begin(), adapter.rows.end());  // the embedding first
    return {};
}

Result<LoraMatrix> read_matrix(const std::string & weight, const Halves & halves, float alpha, const Model * model) {
    if (!halves.a.name || !halves.b.name)
        return error(QL_BAD_FILE, "'%.64s' has only one of .lora_a and .lora_b", weight.c_str());
    LoraMatrix matrix{weight, halves.a.ne[0], halves.b.ne[1], halves.a.ne[1], 1.0f, {}, {}};
    if (model) QL_TRY(check_fits(*model, weight, matrix.k, matrix.m, halves.a.name));
    if (halves.b.ne[0] != matrix.r)
        return error(QL_BAD_FILE, "'%s' has rank %lld, '%s' has %lld", halves.a.name, static_cast<long long>(matrix.r),
                     halves.b.name, static_cast<long long>(halves.b.ne[0]));
    if (alpha != 0) matrix.scale = alpha / static_cast<float>(matrix.r);
    QL_TRY(decode(halves.a, matrix.a));
    QL_TRY(decode(halves.b, matrix.b));
    if (halves.magnitude.name) QL_TRY(decode(halves.magnitude, matrix.magnitude));
    return matrix;
}

/// Keys into `adapter`, each matrix in turn to `take`: a whole adapter need not be in memory to be checked.
Status read_file(const ql_gguf * file, const Model * model, BaseRule rule, Adapter & adapter,
                 const std::function<Status(LoraMatrix)> & take) {
    QL_TRY(expect_text(file, "general", "type", "adapter"));
    QL_TRY(expect_text(file, "adapter", "type", "lora"));
    QL_ASSIGN(adapter.invocation, read_invocation(file));
    QL_TRY(GgufKeys(file, "general").text("architecture", adapter.architecture));
    QL_TRY(GgufKeys(file, "general").text("name", adapter.name, ""));
    QL_TRY(GgufKeys(file, "general").text("base_model.0.name", adapter.base_name, ""));
    QL_TRY(GgufKeys(file, "tokenizer").text("chat_template", adapter.chat_template, ""));
    const GgufKeys keys(file, "adapter");
    QL_TRY(keys.text("chat_template.date", adapter.chat_date, ""));
    QL_TRY(check_chat_date(kDate, adapter.chat_date));
    QL_TRY(keys.text("chat_template.kwargs", adapter.chat_kwargs, ""));
    QL_TRY(check_chat_kwargs(kKwargs, adapter.chat_kwargs));
    QL_ASSIGN(const LoraKind kind, read_kind(keys));
    QL_TRY(keys.refuse_unread(kHarmlessKeys));
    QL_ASSIGN(adapter.origin, read_origin(file));
    float alpha = 0;
    QL_TRY(read_alpha(file, alpha));
    if (model && adapter.architecture != model->hparams().arch) return {};  // check_adapter says what is wrong
    if (model && rule == BaseRule::kSame) QL_TRY(check_base(adapter, model->name(), model->identity()));
    std::map<std::string, Halves> found;
    QL_TRY(collect(file, found, adapter));
    for (const auto & [weight, halves] : found) {
        QL_ASSIGN(LoraMatrix matrix, read_matrix(weight, halves, alpha, model));
        for (const NamedPart & part : kParts)
            if (const ql_gguf_tensor & t = halves.*part.tensor; t.name) ql_gguf_forget(file, t.data, t.size);
        matrix.kind = kind;
        QL_TRY(take(std::move(matrix)));
    }
    return {};
}

void sort_as_model(Adapter & adapter, const Model & model) {
    const std::vector<std::string> order = model.lora_weights();
    std::map<std::string, size_t> place;
    for (size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
    std::sort(adapter.matrices.begin(), adapter.matrices.end(),
              [&](const LoraMatrix & x, const LoraMatrix & y) { return place[x.weight] < place[y.weight]; });
}

// ---- writing
// ---------------------------------------------------------------------------------------------------------

/// The format has one alpha, and s = alpha / r: the first branch's s * r. A branch of another product gets B scaled.
/// (alpha 0 would mean s = 1 there, so a scale of 0 goes into B too.) It is the alpha that the first branch has once the
/// file was read, so that the file is written again as it is.
float common_alpha(const Adapter & adapter) {
    const auto scaled = std::find_if(adapter.matrices.begin(), adapter.matrices.end(),
                                     [](const LoraMatrix & m) { return m.scale != 0; });
    LoraMatrix first;
    first.r = adapter.matrices.front().r;
    first.scale = (scaled == adapter.matrices.end() ? 1.0f : plain_gguf_alpha(*scaled)) / static_cast<float>(first.r);
    return plain_gguf_alpha(first);
}

/// B as it goes to the file, in `scaled` where it is not the adapter's own.
Result<const std::vector<float> *> written_b(const LoraMatrix & m, float alpha,
                                             std::deque<std::vector<float>> & scaled) {
    const double ratio = static_cast<double>(m.scale) * static_cast<double>(m.r) / static_cast<double>(alpha);
    if (std::fabs(ratio - 1) < 1e-6) return &m.b;  // equal but for the rounding of s * r
    std::vector<float> & b = scaled.emplace_back(m.b);
    for (float & v : b) {
        v = static_cast<float>(static_cast<double>(v) * ratio);
        if (!std::isfinite(v))
            return error(QL_NON_FINITE, "adapter: '%s' times its scale is too large for f32", m.weight.c_str());
    }
    return &b;
}

Status set_keys(const GgufWriterPtr & w, const Adapter & adapter, float alpha) {
    QL_TRY(set_string(w, "general.type", "adapter"));
    QL_TRY(set_string(w, "general.architecture", adapter.architecture));
    if (!adapter.name.empty()) QL_TRY(set_string(w, "general.name", adapter.name));
    if (!adapter.base_name.empty()) {
        QL_TRY(ql_gguf_set_int(w.get(), "general.base_model.count", QL_GGUF_U32, 1));
        QL_TRY(set_string(w, kBaseName, adapter.base_name));
    }
    QL_TRY(set_string(w, "adapter.type", "lora"));
    if (const LoraKind kind = adapter.matrices.front().kind; kind != LoraKind::lora)
        QL_TRY(set_string(w, kKind, def_of(kind).name));
    QL_TRY(ql_gguf_set_f32(w.get(), kAlpha, alpha));
    if (!adapter.chat_template.empty()) QL_TRY(set_string(w, kTemplate, adapter.chat_template));
    if (!adapter.invocation.empty())
        QL_TRY(ql_gguf_set_array(w.get(), kInvocation, QL_GGUF_U32, adapter.invocation.data(),
                                 static_cast<int64_t>(adapter.invocation.size())));
    if (!adapter.chat_date.empty()) QL_TRY(set_string(w, kDate, adapter.chat_date));
    if (!adapter.chat_kwargs.empty()) QL_TRY(set_string(w, kKwargs, adapter.chat_kwargs));
    return write_origin(w, adapter.origin);
}

Status add(const GgufWriterPtr & w, const std::string & name, int64_t ne0, int64_t ne1,
           const std::vector<float> & values) {
    if (name.size() > kMaxName)
        return error(QL_UNSUPPORTED, "tensor name '%s' is longer than the %zu bytes of the format", name.c_str(),
                     kMaxName);
    const int64_t ne[2] = {ne0, ne1};
    return ql_gguf_add_tensor(w.get(), name.c_str(), QL_F32, 2, ne, values.data());
}

/// But for the matrices.
bool same_rest(const Adapter & x, const Adapter & y) {
    return x.architecture == y.architecture && x.name == y.name && x.base_name == y.base_name &&
           x.chat_template == y.chat_template && x.chat_date == y.chat_date && x.chat_kwargs == y.chat_kwargs &&
           x.origin == y.origin && x.rows == y.rows && x.invocation == y.invocation &&
           std::equal(x.norms.begin(), x.norms.end(), y.norms.begin(), y.norms.end(),
                      [](const TrainedNorm & a, const TrainedNorm & b) {
                          return a.weight == b.weight && a.values == b.values;
                      });
}

/// What one save carries to the file and back.
struct Saving {
    const Adapter & adapter;
    const Model * model;
    float alpha;
    std::vector<const std::vector<float> *> bs;  // of each matrix, scaled for the one alpha
    std::deque<std::vector<float>> scaled;
    GgufWriterPtr writer;
};

Status write_down(Saving & s) {
    QL_TRY(ql_gguf_writer_create(out(s.writer)));
    QL_TRY(set_keys(s.writer, s.adapter, s.alpha));
    for (const LoraMatrix & m : s.adapter.matrices) {
        QL_ASSIGN(const std::vector<float> * b, written_b(m, s.alpha, s.scaled));
        s.bs.push_back(b);
        QL_TRY(add(s.writer, m.weight + std::string(kSuffixA), m.k, m.r, m.down()));
        QL_TRY(add(s.writer, m.weight + std::string(kSuffixB), m.r, m.m, *b));
        if (!m.magnitude.empty()) QL_TRY(add(s.writer, m.weight + std::string(kSuffixMagnitude), m.m, 1, m.magnitude));
    }
    for (const TrainedNorm & norm : s.adapter.norms)
        QL_TRY(add(s.writer, norm.weight, static_cast<int64_t>(norm.values.size()), 1, norm.values));
    for (const TokenRows & rows : s.adapter.rows) {
        QL_TRY(add(s.writer, rows.weight + std::string(kSuffixRows), rows.width(), rows.n_rows(), rows.values));
        const int64_t n = rows.n_rows();
        QL_TRY(ql_gguf_add_tensor(s.writer.get(), (rows.weight + std::string(kSuffixIds)).c_str(), QL_I32, 1, &n,
                                  rows.ids.data()));
    }
    return {};
}

/// The file holds what was meant.
Status read_back(const Saving & s, const std::string & path) {
    std::map<std::string, size_t> missing;
    for (size_t i = 0; i < s.adapter.matrices.size(); ++i) missing[s.adapter.matrices[i].weight] = i;
    bool same = true;
    Adapter rest;
    const auto unreadable = [](const Status & why) {
        return error(QL_INTERNAL, "the adapter just written cannot be read back: %s", why.message().c_str());
    };
    GgufPtr file;
    if (const Status opened = ql_gguf_open(path.c_str(), out(file)); !opened.ok()) return unreadable(opened);
    const Status read = read_file(file.get(), s.model, BaseRule::kAny, rest, [&](const LoraMatrix & m) -> Status {
        const auto it = missing.find(m.weight);
        if (it == missing.end()) return same = false, Status();
        const LoraMatrix & meant = s.adapter.matrices[it->second];
        same &= m.kind == meant.kind && m.scale == s.alpha / static_cast<float>(meant.r) && m.down() == meant.down() &&
                m.b == *s.bs[it->second] && m.magnitude == meant.magnitude;
        missing.erase(it);
        return {};
    });
    if (!read.ok()) return unreadable(file_fault(path, read));
    if (same && missing.empty() && same_rest(rest, s.adapter)) return {};
    return error(QL_INTERNAL, "%s: holds something else than was written; is the disk failing?", path.c_str());
}

Status save(const Adapter & adapter, const Model * model, const std::string & path) {
    QL_TRY(check_adapter(adapter, model));
    Saving saving{adapter, model, common_alpha(adapter), {}, {}, nullptr};
    QL_TRY(write_down(saving));
    return replace_file(path, [&](const std::string & temporary) -> Status {
        QL_TRY(ql_gguf_write(saving.writer.get(), temporary.c_str()));
        return read_back(saving, temporary);
    });
}

}  // namespace

Result<Adapter> load_gguf_adapter(const std::string & path, const Model * model, BaseRule rule) {
    GgufPtr file;
    QL_TRY(ql_gguf_open(path.c_str(), out(file)));
    Adapter adapter;
    Status s = read_file(file.get(), model, rule, adapter, [&](LoraMatrix m) -> Status {
        if (const auto adopt = def_of(m.kind).adopt) QL_TRY(adopt(m, adapter.matrices));
        adapter.matrices.push_back(std::move(m));
        return {};
    });
    if (s.ok()) s = check_adapter(adapter, model);
    if (!s.ok()) return file_fault(path, s);
    if (model) sort_as_model(adapter, *model);
    return adapter;
}

Status save_adapter(const Adapter & adapter, const Model & model, const std::string & path) {
    return save(adapter, &model, path);
}

Status save_adapter_alone(const Adapter & adapter, const std::string & path) {
    return save(adapter, nullptr, path);
}

}  // namespace ql
