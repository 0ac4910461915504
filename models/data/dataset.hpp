// A dataset, ready to train on: samples as tokens, and their records for showing and for exact-match tests.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/data/read_dataset.hpp"
#include "models/text/chat_template.hpp"
#include "ql/dataset.h"

namespace ql {

class Model;

struct Dataset {
    const Model * model = nullptr;
    std::string path;
    std::optional<ChatTemplate> chat_template;
    std::vector<TokenSample> samples;
    std::vector<Sample> sources;  // of the samples; empty for a .txt file
    DatasetCounts counts;

    int64_t n_tokens() const;
    int64_t n_trained() const;
    /// A hash over all tokens and masks: two datasets that train alike have the same.
    uint64_t fingerprint() const;
    /// What a model is asked with to give sample i's last answer; *answer gets that answer.
    Result<std::string> prompt(size_t i, std::string & answer) const;
};

Result<Dataset> open_dataset(const std::string & path, const Model & model, const ql_dataset_options & options);

/// Moves about `fraction` of the samples, at least one and not all, to a dataset of their own.
Result<Dataset> split_dataset(Dataset & data, double fraction, uint64_t seed);

}  // namespace ql

/// The C API's handle.
struct ql_dataset {
    ql::Dataset data;
    mutable std::string shown, prompt, answer;  // texts handed out last
};
