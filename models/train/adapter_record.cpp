#include "models/train/adapter_record.hpp"

#include <cstring>
#include <filesystem>
#include <optional>
#include <span>

#include "models/adapter/formats.hpp"
#include "models/adapter/frozen.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/files/file_fault.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/files/json_file.hpp"
#include "models/train/checkpoint_folder.hpp"

namespace ql {
namespace {

namespace fs = std::filesystem;

/// The texts of an adapter: one list for writing and reading.
struct TextField {
    const char * key;
    std::string Adapter::*value;
    const char * missing = nullptr;  // what a record without it means; null: it must be there
};
constexpr TextField kTexts[] = {{"architecture", &Adapter::architecture}, {"name", &Adapter::name},
                                {"base_name", &Adapter::base_name},       {"chat_template", &Adapter::chat_template},
                                {"chat_date", &Adapter::chat_date},       {"chat_kwargs", &Adapter::chat_kwargs, ""}};

Json matrix_record(const LoraMatrix & m) {
    return {{"weight", m.weight}, {"kind", def_of(m.kind).name}, {"k", m.k},        {"m", m.m},
            {"r", m.r},           {"frozen", m.frozen},          {"scale", m.scale}};
}

Result<LoraMatrix> read_matrix_record(const JsonFile & f) {
    LoraMatrix m;
    std::string kind;
    double scale = 0;
    QL_TRY(f.text("weight", m.weight));
    QL_TRY(f.text("kind", kind));
    QL_TRY(f.size("k", m.k));
    QL_TRY(f.size("m", m.m));
    QL_TRY(f.size("r", m.r));
    QL_TRY(f.size("frozen", m.frozen));
    QL_TRY(f.number("scale", scale));
    m.scale = static_cast<float>(scale);
    const auto known = kind_named(kind);
    if (!known.ok()) return f.wrong("kind", known.message().c_str());
    m.kind = *known;
    if (m.k < 1 || m.m < 1 || m.r < 1 || m.frozen >= m.r) return f.wrong("r", "has no matrix of such sizes");
    return m;
}

/// The values of one tensor, of just this shape.
Status read_values(const Checkpoint & c, const std::string & name, const std::vector<int64_t> & ne,
                   std::vector<float> & values) {
    ql_gguf_tensor t{};
    QL_TRY(ql_gguf_find_tensor(c.file.get(), name.c_str(), &t));
    const int64_t rows = ne.size() > 1 ? ne[1] : 1;
    if (t.dtype != QL_F32 || t.ne[0] != ne[0] || t.ne[1] != rows || t.ne[2] != 1 || t.ne[3] != 1)
        return error(QL_BAD_FILE, "tensor '%s' has another shape than the adapter's record says", t.name);
    values.resize(static_cast<size_t>(ne[0] * rows));
    std::memcpy(values.data(), t.data, t.size);
    return {};
}

/// The trained part, and behind it the frozen one.
Status read_matrix(const Checkpoint & c, const Model * model, LoraMatrix & m, std::span<const LoraMatrix> others) {
    const KindDef & kind = def_of(m.kind);
    if (model) QL_TRY(check_fits(*model, m.weight, m.k, m.m, m.weight));
    LoraMatrix trained = m;
    trained.r = m.r - m.frozen, trained.frozen = 0;
    for (const Part & part : kind.parts(trained))
        QL_TRY(read_values(c, m.weight + "." + part.name, part.ne, trained.*part.values));
    if (kind.fill) {
        if (!model)
            return error(QL_INVALID_ARGUMENT, "a checkpoint of %s is read with its base model at hand (-m)", kind.name);
        kind.fill(trained, others);
    }
    if (m.frozen == 0) return m = std::move(trained), Status();
    LoraMatrix frozen = trained;
    frozen.r = m.frozen;
    QL_TRY(read_values(c, m.weight + ".frozen_a", {m.k, m.frozen}, frozen.a));
    QL_TRY(read_values(c, m.weight + ".frozen_b", {m.frozen, m.m}, frozen.b));
    m = join_frozen(trained, frozen);
    m.frozen = 0;  // as in a file: further training may move all of it
    return {};
}

Status read_tokens(const JsonFile & f, const char * key, std::vector<int32_t> & tokens) {
    const Json & list = f.at(key);
    if (!list.is_array()) return f.wrong(key, "is no list of tokens");
    for (const Json & token : list) {
        if (!token.is_number_integer() || token.get<int64_t>() < 0 || token.get<int64_t>() > INT32_MAX)
            return f.wrong(key, "holds what is no token");
        tokens.push_back(token.get<int32_t>());
    }
    return {};
}

Status read_rows(const Checkpoint & c, const JsonFile & f, TokenRows & rows) {
    QL_TRY(f.text("weight", rows.weight));
    int64_t width = 0;
    QL_TRY(f.size("width", width));
    QL_TRY(read_tokens(f, "ids", rows.ids));
    if (rows.ids.empty()) return f.wrong("ids", "is no list of tokens");
    return read_values(c, rows.weight + ".rows", {width, rows.n_rows()}, rows.values);
}

Status read_origin_record(const JsonFile & f, Origin & origin) {
    const Json & object = f.at("origin");
    if (!object.is_object()) return f.wrong("origin", "is no object");
    OriginTexts texts;
    for (const auto & [key, value] : object.items()) {
        if (!value.is_string()) return f.wrong("origin", "holds what is no text");
        texts[key] = value.get<std::string>();
    }
    QL_ASSIGN(origin, read_origin(texts));
    return {};
}

/// The objects of a list, each read by `read`.
template <typename Read>
Status for_each(const JsonFile & f, const char * key, Read read) {
    const Json & list = f.at(key);
    if (!list.is_array()) return f.wrong(key, "is no list");
    for (const Json & object : list) {
        if (!object.is_object()) return f.wrong(key, "holds what is no object");
        QL_TRY(read(JsonFile(std::string("adapter: ") + key, object)));
    }
    return {};
}

Status read_record(const Checkpoint & c, const Model * model, BaseRule rule, Adapter & adapter) {
    QL_ASSIGN(Json object, parse_json(c.state.adapter));
    if (!object.is_object()) return error(QL_BAD_FILE, "the adapter's record is no object");
    const JsonFile f("adapter", std::move(object));
    for (const TextField & field : kTexts) {
        const auto missing = field.missing ? std::optional<std::string>(field.missing) : std::nullopt;
        QL_TRY(f.text(field.key, adapter.*field.value, missing));
    }
    QL_TRY(check_chat_date("chat_date", adapter.chat_date));
    QL_TRY(check_chat_kwargs("chat_kwargs", adapter.chat_kwargs));
    QL_TRY(read_origin_record(f, adapter.origin));
    QL_TRY(read_tokens(f, "invocation", adapter.invocation));
    if (model && adapter.architecture != model->hparams().arch) return {};  // check_adapter says what is wrong
    if (model && rule == BaseRule::kSame) QL_TRY(check_base(adapter, model->name(), model->identity()));
    QL_TRY(for_each(f, "matrices", [&](const JsonFile & record) -> Status {
        QL_ASSIGN(LoraMatrix m, read_matrix_record(record));
        QL_TRY(read_matrix(c, model, m, adapter.matrices));
        adapter.matrices.push_back(std::move(m));
        return {};
    }));
    QL_TRY(for_each(f, "norms", [&](const JsonFile & record) -> Status {
        TrainedNorm norm;
        int64_t n = 0;
        QL_TRY(record.text("weight", norm.weight));
        QL_TRY(record.size("n", n));
        QL_TRY(read_values(c, norm.weight, {n}, norm.values));
        adapter.norms.push_back(std::move(norm));
        return {};
    }));
    return for_each(f, "rows",
                    [&](const JsonFile & record) { return read_rows(c, record, adapter.rows.emplace_back()); });
}

bool is_checkpoint_file(const std::string & path) {
    GgufPtr file;
    std::string type;
    if (ql_gguf_open(path.c_str(), out(file)) != QL_OK) return false;
    return GgufKeys(file.get(), "general").text("type", type, "").ok() && type == "ql-checkpoint";
}

}  // namespace

std::string adapter_record(const Adapter & adapter) {
    Json record = Json::object();
    for (const TextField & field : kTexts) record[field.key] = adapter.*field.value;
    record["origin"] = Json::object();
    for (const auto & [key, text] : origin_texts(adapter.origin)) record["origin"][key] = text;
    record["invocation"] = adapter.invocation;
    record["matrices"] = Json::array();
    for (const LoraMatrix & m : adapter.matrices) record["matrices"].push_back(matrix_record(m));
    record["norms"] = Json::array();
    for (const TrainedNorm & n : adapter.norms)
        record["norms"].push_back({{"weight", n.weight}, {"n", static_cast<int64_t>(n.values.size())}});
    record["rows"] = Json::array();
    for (const TokenRows & r : adapter.rows)
        record["rows"].push_back({{"weight", r.weight}, {"width", r.width()}, {"ids", r.ids}});
    return record.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Adapter> adapter_of(const Checkpoint & checkpoint, const Model * model, BaseRule rule) {
    Adapter adapter;
    Status s = read_record(checkpoint, model, rule, adapter);
    if (s.ok()) s = check_adapter(adapter, model);
    if (!s.ok()) return file_fault(checkpoint.path, s);
    return adapter;
}

bool holds_checkpoint(const std::string & path) {
    std::error_code ec;
    if (!fs::is_directory(path, ec)) return is_checkpoint_file(path);
    if (fs::exists(fs::path(path) / "adapter_config.json", ec)) return false;
    const auto files = list_checkpoints(path);
    return files.ok() && !files->empty();
}

Result<Adapter> load_checkpoint_adapter(const std::string & path, const Model * model, BaseRule rule) {
    std::error_code ec;
    Checkpoint checkpoint;
    std::string skipped;
    if (fs::is_directory(path, ec)) {
        QL_ASSIGN(const auto files, list_checkpoints(path));
        QL_ASSIGN(checkpoint, newest_checkpoint(files, &skipped));
        if (checkpoint.path.empty())
            return error(QL_BAD_FILE, "%s: none of its checkpoints can be used: %s", path.c_str(), skipped.c_str());
    } else {
        QL_ASSIGN(checkpoint, open_checkpoint(path));
    }
    QL_ASSIGN(Adapter adapter, adapter_of(checkpoint, model, rule));
    if (!skipped.empty()) adapter.notes.push_back("passed over: " + skipped);
    adapter.notes.push_back(format("%s: the adapter after step %lld of a run", checkpoint.path.c_str(),
                                   static_cast<long long>(checkpoint.state.step)));
    return adapter;
}

}  // namespace ql
