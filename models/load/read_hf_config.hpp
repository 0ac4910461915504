// config.json of a Hugging Face directory: which architecture it is, its shape, and what else changes the computation.
#pragma once
#include "models/model/architecture.hpp"

namespace ql {

struct HfModel {
    const Architecture * architecture = nullptr;
    Hparams hparams;
    HfConfig config;
};

Result<HfModel> read_hf_config(const JsonFile & config);

}  // namespace ql
