#include "models/convert/convert_directory.hpp"

#include <filesystem>
#include <map>

#include "models/convert/llama_cpp_notes.hpp"
#include "models/convert/model_keys.hpp"
#include "models/convert/read_back.hpp"
#include "models/dense/traits.hpp"
#include "models/files/file_fault.hpp"
#include "models/load/check_weights.hpp"
#include "models/load/hf_directory.hpp"
#include "models/load/hf_weights.hpp"
#include "models/quantize/output_parts.hpp"
#include "models/quantize/write_model.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// The directory, opened: its weights under their GGUF names, those of matrices still in their files.
class Source {
  public:
    Status open(const std::string & path) {
        QL_ASSIGN(directory_, HfDirectory::open(path));
        parts_.hparams = directory_.model.hparams;
        QL_TRY(parts_.hparams.check());
        weights_ = std::make_unique<HfWeights>(directory_.model, parts_);
        for (SafeTensorsFile & file : directory_.files) QL_TRY(weights_->add(file));
        QL_TRY(file_fault(path, weights_->finish_without_matrices()));
        return file_fault(path, check_weights(parts_, architecture()));
    }

    const HfModel & model() const { return directory_.model; }
    const std::string & name() const { return directory_.name; }
    const Architecture & architecture() const { return *directory_.model.architecture; }
    const Hparams & hparams() const { return parts_.hparams; }
    const std::vector<std::string> & notes() const { return parts_.notes; }

    /// In the architecture's order: the files' shards and their order do not matter.
    std::vector<Conversion> tensors() const {
        std::map<std::string_view, const Weight *> by_name;
        std::map<std::string_view, const HfTensor *> matrices;
        for (const Weight & w : parts_.weights) by_name[w.name] = &w;
        for (const auto & t : weights_->tensors())
            if (t->weight().n_dims > 1) matrices[t->weight().name] = t.get();
        std::vector<Conversion> tensors;
        for (const NeededWeight & needed : architecture().needed(hparams())) {
            const auto weight = by_name.find(needed.name);
            if (weight == by_name.end() || follows_from_keys(needed.name)) continue;
            const auto matrix = matrices.find(needed.name);
            tensors.push_back(conversion(*weight->second, matrix == matrices.end() ? nullptr : matrix->second));
        }
        return tensors;
    }

  private:
    static Conversion conversion(const Weight & w, const HfTensor * matrix) {
        const void * const data = matrix ? matrix->weight().data : w.data;
        Conversion c;
        c.source = {w.name.c_str(), w.dtype, w.n_dims, {w.ne[0], w.ne[1], w.ne[2], w.ne[3]}, data, w.bytes};
        if (!matrix) return c;
        if (!data) c.rows_of = matrix;
        c.file_data = matrix->file_data(), c.file_bytes = matrix->file_bytes();
        return c;
    }

    /// Factors that a reader of GGUF files makes of numbers.
    bool follows_from_keys(const std::string & name) const {
        using Kind = HfRopeScaling::Kind;
        const Kind kind = directory_.model.config.rope.scaling.kind;
        const Rope & rope = hparams().rope;
        const bool is_factor = name == rope.factors || name == rope.long_factors;
        if (is_factor) return kind != Kind::llama3 && kind != Kind::longrope;
        return name == kPositionFactors;
    }

    HfDirectory directory_;
    ModelParts parts_;
    std::unique_ptr<HfWeights> weights_;
};

/// Writes the keys to a file of their own, and reads them as a model's.
Status check_keys(const Source & source, const ModelKeys & keys, const std::string & directory, const std::string & out,
                  std::vector<std::string> & notes) {
    GgufWriterPtr writer;
    QL_TRY(ql_gguf_writer_create(ql::out(writer)));
    QL_TRY(file_fault(directory, keys.write(writer.get(), notes)));
    PendingFiles pending;  // which is never published
    const std::string & path = pending.add(out + ".keys");
    QL_TRY(ql_gguf_write(writer.get(), path.c_str()));
    GgufPtr file;
    QL_TRY(ql_gguf_open(path.c_str(), ql::out(file)));
    Hparams written;
    written.arch = source.hparams().arch;
    QL_TRY(source.architecture().read_hparams(file.get(), written));
    QL_TRY(file_fault(directory, same_hparams(written, source.hparams())));
    return keys.has_tokenizer ? file_fault(directory, same_tokens(file.get(), directory)) : Status();
}

}  // namespace

Status convert_directory(const std::string & directory, const std::string & out, const ql_quantize_options & options) {
    QL_TRY(check_quantize_options(options));
    QL_TRY(ql_os_check_writable(out.c_str()));
    Source source;
    QL_TRY(source.open(directory));
    ModelInput input{directory, source.tensors(), {}};
    ModelKeys keys;
    keys.name = source.name(), keys.model = &source.model();
    std::vector<std::string> names;
    for (const Conversion & c : input.tensors) {
        keys.n_weights += c.row() * c.rows();
        names.emplace_back(c.source.name);
    }
    QL_TRY(keys.read(directory));
    std::vector<std::string> notes = source.notes();
    if (!keys.has_tokenizer) notes.emplace_back("there is no tokenizer in the directory, and so none in the file");
    QL_TRY(check_keys(source, keys, directory, out, notes));
    for (std::string & note : llama_cpp_notes(source.hparams().arch, names)) notes.push_back(std::move(note));
    for (const std::string & note : notes)
        if (options.on_note) options.on_note(options.user, note.c_str());
    input.set_keys = [&](ql_gguf_writer * w) {
        std::vector<std::string> said;
        return keys.write(w, said);
    };
    return write_model(input, out, options);
}

}  // namespace ql
