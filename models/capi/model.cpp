// extern "C": ql/model.h
#include "models/model/model.hpp"

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "models/load/open_model.hpp"
#include "models/text/tokenizer_capi.hpp"

using ql::error;
using ql::Status;

extern "C" {

void ql_model_options_init(ql_model_options * options) {
    if (options) *options = {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_AUTO, 0};
}

ql_status ql_model_open(const char * path, const ql_model_options * options, ql_model ** model) {
    return ql::guarded([&]() -> Status {
        if (!path || !model) return error(QL_INVALID_ARGUMENT, "ql_model_open: an argument is NULL");
        ql_model_options defaults;
        ql_model_options_init(&defaults);
        QL_ASSIGN(const ql_model_options o, ql::take_struct(options, defaults));
        QL_ASSIGN(auto opened, ql::open_model(path, o));
        std::string base_type = opened->base_type();
        *model = new ql_model{std::move(opened), std::move(base_type)};
        return {};
    });
}

void ql_model_close(ql_model * model) {
    delete model;
}

ql_status ql_model_describe(const ql_model * model, ql_model_info * info) {
    return ql::guarded([&]() -> Status {
        if (!model) return error(QL_INVALID_ARGUMENT, "ql_model_describe: model is NULL");
        const ql::Hparams & h = model->model->hparams();
        const ql::LayerShape & first = h.layers.front();
        return ql::give_struct(
            info, {sizeof(*info), model->model->name().c_str(), h.arch.c_str(), model->base_type.c_str(), h.n_layer(),
                   h.n_embd, first.n_head, first.n_head_kv, first.n_ff, h.n_vocab, h.n_ctx,
                   model->model->n_parameters(), model->model->weight_bytes(), model->model->identity().model.c_str(),
                   model->model->identity().file.c_str()});
    });
}

const ql_tokenizer * ql_model_tokenizer(const ql_model * model) {
    return model ? model->model->tokenizer_handle() : nullptr;
}

const char * ql_model_chat_template(const ql_model * model) {
    return model ? model->model->chat_template().c_str() : "";
}

const char * ql_model_note(const ql_model * model, int64_t i) {
    if (!model || i < 0 || i >= static_cast<int64_t>(model->model->notes().size())) return nullptr;
    return model->model->notes()[static_cast<size_t>(i)].c_str();
}

}  // extern "C"
