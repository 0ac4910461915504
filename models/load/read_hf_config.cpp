#include "models/load/read_hf_config.hpp"

#include "models/hf/harmless_fields.hpp"
#include "models/load/find_architecture.hpp"

namespace ql {

Result<HfModel> read_hf_config(const JsonFile & config) {
    HfModel model;
    std::string type;
    QL_TRY(config.text("model_type", type));
    QL_ASSIGN(model.architecture, find_hf_architecture(type));
    model.hparams.arch = model.architecture->name();
    QL_TRY(refuse_other_models(config, model.config));
    QL_TRY(model.architecture->read_hf_config(config, model.hparams, model.config));
    QL_TRY(read_head(config, model.config));
    QL_TRY(config.refuse_unread(kHarmlessFields));
    return model;
}

}  // namespace ql
