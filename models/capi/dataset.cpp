// extern "C": ql/dataset.h
#include "models/data/dataset.hpp"

#include <algorithm>

#include "common/guarded.hpp"
#include "models/capi/checks.hpp"
#include "models/data/render.hpp"
#include "models/model/model.hpp"

using ql::error;
using ql::Status;

namespace {

constexpr int64_t kMaxPaths = 10'000;

Status check_index(const ql_dataset * data, int64_t i) {
    if (!data) return error(QL_INVALID_ARGUMENT, "dataset: it is NULL");
    const auto n = static_cast<int64_t>(data->data.samples.size());
    if (i < 0 || i >= n)
        return error(QL_INVALID_ARGUMENT, "dataset: no sample %lld of %lld", static_cast<long long>(i),
                     static_cast<long long>(n));
    return {};
}

Status check_train_on(int flags) {
    if (flags >= 0 && flags <= QL_TRAIN_ALL) return {};
    return error(QL_INVALID_ARGUMENT, "train_on: %d is no sum of ql_train_on; QL_TRAIN_ALL stands alone", flags);
}

/// Makes `question` that of sample i.
Status ask(const ql_dataset * data, int64_t i) {
    if (data->asked == i) return {};
    data->asked = -1;
    QL_ASSIGN(data->question, data->data.question(static_cast<size_t>(i)));
    data->asked = i;
    return {};
}

}  // namespace

extern "C" {

void ql_dataset_options_init(ql_dataset_options * options) {
    if (options)
        *options = {sizeof(ql_dataset_options), 0,       QL_LONG_CUT, 0, nullptr, nullptr,
                    QL_TRAIN_ANSWERS,           nullptr, nullptr};
}

ql_status ql_dataset_open(const char * path, const ql_model * model, const ql_dataset_options * options,
                          ql_dataset ** data) {
    return ql_dataset_open_all(path ? &path : nullptr, 1, model, options, data);
}

ql_status ql_dataset_open_all(const char * const * paths, int64_t n_paths, const ql_model * model,
                              const ql_dataset_options * options, ql_dataset ** data) {
    return ql::guarded([&]() -> Status {
        if (!paths || !model || !data) return error(QL_INVALID_ARGUMENT, "ql_dataset_open: an argument is NULL");
        if (n_paths < 1 || n_paths > kMaxPaths)
            return error(QL_INVALID_ARGUMENT, "ql_dataset_open_all: %lld paths, 1 to %lld are possible",
                         static_cast<long long>(n_paths), static_cast<long long>(kMaxPaths));
        if (std::find(paths, paths + n_paths, nullptr) != paths + n_paths)
            return error(QL_INVALID_ARGUMENT, "ql_dataset_open_all: a path is NULL");
        ql_dataset_options defaults;
        ql_dataset_options_init(&defaults);
        QL_ASSIGN(const ql_dataset_options o, ql::take_struct(options, defaults));
        QL_TRY(ql::check_enum("long_policy", o.long_policy, QL_LONG_ERROR));
        QL_TRY(check_train_on(o.train_on));
        QL_ASSIGN(ql::Dataset opened, ql::open_dataset({paths, paths + n_paths}, *model->model, o));
        *data = new ql_dataset(std::move(opened));
        return {};
    });
}

void ql_dataset_free(ql_dataset * data) {
    delete data;
}

ql_status ql_dataset_split(ql_dataset * data, double fraction, uint64_t seed, ql_dataset ** held_out) {
    return ql::guarded([&]() -> Status {
        if (!data || !held_out) return error(QL_INVALID_ARGUMENT, "ql_dataset_split: an argument is NULL");
        data->asked = -1;  // indices change
        QL_ASSIGN(ql::Dataset part, ql::split_dataset(data->data, fraction, seed));
        *held_out = new ql_dataset(std::move(part));
        return {};
    });
}

ql_status ql_dataset_describe(const ql_dataset * data, ql_dataset_info * info) {
    return ql::guarded([&]() -> Status {
        if (!data) return error(QL_INVALID_ARGUMENT, "ql_dataset_describe: data is NULL");
        const ql::Dataset & d = data->data;
        return ql::give_struct(
            info, {sizeof(*info), static_cast<int64_t>(d.samples.size()), d.n_tokens(), d.n_trained(), d.counts.longest,
                   d.counts.cut, d.counts.dropped, d.counts.bad, d.counts.ended, data->date.c_str(),
                   static_cast<int64_t>(d.files.size()), d.n_untemplated()});
    });
}

const char * ql_dataset_bad_line(const ql_dataset * data, int64_t i) {
    if (!data || i < 0 || i >= static_cast<int64_t>(data->data.counts.bad_lines.size())) return nullptr;
    return data->data.counts.bad_lines[static_cast<size_t>(i)].c_str();
}

const char * ql_dataset_note(const ql_dataset * data, int64_t i) {
    if (!data || i < 0 || i >= static_cast<int64_t>(data->notes.size())) return nullptr;
    return data->notes[static_cast<size_t>(i)].c_str();
}

ql_status ql_dataset_show(const ql_dataset * data, int64_t i, const char * mark_begin, const char * mark_end,
                          const char ** text) {
    return ql::guarded([&]() -> Status {
        QL_TRY(check_index(data, i));
        if (!mark_begin || !mark_end || !text)
            return error(QL_INVALID_ARGUMENT, "ql_dataset_show: an argument is NULL");
        const ql::Dataset & d = data->data;
        data->shown = ql::marked_text(d.samples[static_cast<size_t>(i)], *d.model->tokenizer(), mark_begin, mark_end);
        *text = data->shown.c_str();
        return {};
    });
}

ql_status ql_dataset_prompt(const ql_dataset * data, int64_t i, const char ** prompt, const char ** answer) {
    return ql::guarded([&]() -> Status {
        QL_TRY(check_index(data, i));
        if (!prompt || !answer) return error(QL_INVALID_ARGUMENT, "ql_dataset_prompt: an argument is NULL");
        QL_TRY(ask(data, i));
        *prompt = data->question.prompt.c_str();
        *answer = data->question.answer.c_str();
        return {};
    });
}

ql_status ql_dataset_prompt_tokens(const ql_dataset * data, int64_t i, const int32_t ** tokens, int64_t * n) {
    return ql::guarded([&]() -> Status {
        QL_TRY(check_index(data, i));
        if (!tokens || !n) return error(QL_INVALID_ARGUMENT, "ql_dataset_prompt_tokens: an argument is NULL");
        QL_TRY(ask(data, i));
        *tokens = data->question.tokens.data();
        *n = static_cast<int64_t>(data->question.tokens.size());
        return {};
    });
}

}  // extern "C"
