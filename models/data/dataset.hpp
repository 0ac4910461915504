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

/// The prompt for a sample's last answer, and that answer as a model should write it: as the template writes it
/// (trimmed, with a space before it), without the end of turn.
struct Question {
    std::string prompt, answer;
    std::vector<int32_t> tokens;  // of the prompt, as training has them
};

struct Dataset {
    const Model * model = nullptr;
    std::string path;                // names_of_files
    std::vector<std::string> files;  // Sample::file counts them
    std::optional<ChatTemplate> chat_template;
    std::vector<TokenSample> samples;
    std::vector<Sample> sources;  // of the samples
    DatasetCounts counts;

    /// The date that the chat template was told; "" where the template asks for none, or no sample is a conversation.
    std::string told_date() const;
    /// The kwargs that it was given; "" where no sample is a conversation.
    std::string told_kwargs() const;
    /// The chat template's notes, if a sample is a conversation.
    std::vector<std::string> notes() const;
    bool has_conversations() const;
    /// Samples of prompt and completion that are read without the chat template, where there is one.
    int64_t n_untemplated() const;
    int64_t n_tokens() const;
    int64_t n_trained() const;
    /// A hash over all tokens and masks: two datasets that train alike have the same hash.
    uint64_t fingerprint() const;
    /// errors  QL_INVALID_ARGUMENT: a sample is longer than ctx. What happens to long samples is said, and counted, where a
    /// dataset is opened; nobody cuts them later.
    Status check_fits(int64_t ctx) const;
    /// errors  QL_INVALID_ARGUMENT: sample i is a plain text
    Result<Question> question(size_t i) const;
};

/// Of all files that the names stand for (data_files.hpp).
Result<Dataset> open_dataset(const std::vector<std::string> & names, const Model & model,
                             const ql_dataset_options & options);

/// Moves about `fraction` of the samples, at least one and not all, to a dataset of their own.
Result<Dataset> split_dataset(Dataset & data, double fraction, uint64_t seed);

}  // namespace ql

/// The C API's handle.
struct ql_dataset {
    explicit ql_dataset(ql::Dataset opened) : data(std::move(opened)), date(data.told_date()), notes(data.notes()) {}
    ql::Dataset data;
    const std::string date;
    const std::vector<std::string> notes;
    mutable std::string shown;  // handed out last, and so is the question
    mutable ql::Question question;
    mutable int64_t asked = -1;  // the sample whose question it is
};
