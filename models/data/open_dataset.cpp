// Opening a dataset for a model, and splitting a part off for evaluation.
#include <algorithm>

#include "common/philox.hpp"
#include "models/base/date.hpp"
#include "models/data/data_files.hpp"
#include "models/data/dataset.hpp"
#include "models/data/render.hpp"
#include "models/model/model.hpp"

namespace ql {
namespace {

constexpr uint32_t kSplitStream = 0x53504c54;  // keeps these numbers apart from other uses of the seed

TrainedParts trained_parts(int flags) {
    TrainedParts parts;
    parts.all = (flags & QL_TRAIN_ALL) != 0;
    parts.last_only = (flags & QL_TRAIN_LAST) != 0;
    if ((flags & QL_TRAIN_ANSWERS) == 0) return parts;  // none is named: all of them
    parts.words = (flags & QL_TRAIN_WORDS) != 0;
    parts.reasoning = (flags & QL_TRAIN_REASONING) != 0;
    parts.calls = (flags & QL_TRAIN_TOOLS) != 0;
    return parts;
}

}  // namespace

Result<Dataset> open_dataset(const std::vector<std::string> & names, const Model & model,
                             const ql_dataset_options & options) {
    const Tokenizer * tokenizer = model.tokenizer();
    if (!tokenizer) return error(QL_INVALID_ARGUMENT, "%s: the model has no tokenizer", model.path().c_str());
    const int64_t ctx = options.ctx > 0 ? options.ctx : std::min<int64_t>(512, model.hparams().n_ctx);
    if (options.ctx < 0 || ctx < 2 || ctx > model.hparams().n_ctx)
        return error(QL_INVALID_ARGUMENT, "ctx: %lld is out of range, 2 to %lld are possible with this model",
                     static_cast<long long>(options.ctx), static_cast<long long>(model.hparams().n_ctx));
    const std::string date = options.date ? options.date : QL_TRAINING_DATE;
    QL_TRY(read_date(date).status());
    Dataset data;
    data.model = &model;
    QL_ASSIGN(data.files, data_files(names));
    data.path = names_of_files(data.files);
    const std::string source = options.chat_template ? options.chat_template : model.chat_template();
    if (!source.empty()) {
        QL_ASSIGN(data.chat_template, open_chat_template(source, *tokenizer, date,
                                                         options.chat_template_kwargs ? options.chat_template_kwargs : ""));
    } else if (options.chat_template_kwargs && *options.chat_template_kwargs) {
        return error(QL_INVALID_ARGUMENT, "chat_template_kwargs: the model has no chat template");
    }
    ReadOptions read{ctx, options.long_policy, options.skip_bad_lines != 0, trained_parts(options.train_on), {}};
    if (options.columns && *options.columns) {
        QL_ASSIGN(read.columns, parse_columns(options.columns));
    }
    QL_ASSIGN(ReadSamples samples,
              read_dataset(data.files, *tokenizer, data.chat_template ? &*data.chat_template : nullptr, read));
    data.samples = std::move(samples.samples);
    data.sources = std::move(samples.sources);
    data.counts = samples.counts;
    return data;
}

Result<Dataset> split_dataset(Dataset & data, double fraction, uint64_t seed) {
    const size_t n = data.samples.size();
    if (!(fraction > 0 && fraction < 1))
        return error(QL_INVALID_ARGUMENT, "eval-split: %g is out of range, more than 0 and less than 1 is possible",
                     fraction);
    if (n < 2) return error(QL_INVALID_ARGUMENT, "eval-split: %s has one sample, two are needed", data.path.c_str());
    std::vector<std::pair<uint64_t, size_t>> draws;
    for (size_t i = 0; i < n; ++i) {
        const PhiloxCounter r =
            philox4x32({static_cast<uint32_t>(i), static_cast<uint32_t>(uint64_t{i} >> 32), 0, kSplitStream},
                       {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
        draws.push_back({r[0] | static_cast<uint64_t>(r[1]) << 32, i});
    }
    const auto held = std::clamp<size_t>(static_cast<size_t>(fraction * static_cast<double>(n) + 0.5), 1, n - 1);
    std::sort(draws.begin(), draws.end());
    std::vector<bool> out(n);
    for (size_t i = 0; i < held; ++i) out[draws[i].second] = true;

    Dataset rest = data, part = data;
    for (Dataset * d : {&rest, &part}) d->samples.clear(), d->sources.clear();
    for (size_t i = 0; i < n; ++i) {
        Dataset & to = out[i] ? part : rest;
        to.samples.push_back(std::move(data.samples[i]));
        to.sources.push_back(std::move(data.sources[i]));
    }
    data = std::move(rest);
    return part;
}

}  // namespace ql
