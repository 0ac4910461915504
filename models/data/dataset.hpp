// A dataset, ready to train on: samples as tokens, and their text for showing and for exact-match tests.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/data/sample.hpp"
#include "ql/dataset.h"
#include "ql/status.hpp"

namespace ql {

class Model;

/// What reading, rendering and cutting did.
struct DatasetCounts {
    int64_t longest = 0, cut = 0, dropped = 0, bad = 0;
};

struct Dataset {
    const Model * model = nullptr;
    std::string path;
    std::vector<TokenSample> samples;
    DatasetCounts counts;

    int64_t n_tokens() const;
    int64_t n_trained() const;
    /// A hash over all tokens and masks: two datasets that train alike have the same.
    uint64_t fingerprint() const;
};

}  // namespace ql

/// The C API's handle.
struct ql_dataset {
    ql::Dataset data;
    mutable std::string shown, prompt, answer;  // texts handed out last
};
