// A data file as tokens: reading, recognising, rendering, tokenising, and what happens to samples that do not fit.
#pragma once
#include <string>
#include <vector>

#include "models/data/forms.hpp"
#include "models/data/sample.hpp"
#include "models/text/chat_template.hpp"
#include "models/text/tokenizer.hpp"
#include "ql/dataset.h"
#include "ql/status.hpp"

namespace ql {

struct ReadOptions {
    int64_t ctx = 512;
    ql_long_policy long_policy = QL_LONG_CUT;
    bool skip_bad_lines = false;
    Columns columns;
};

/// What reading, rendering and cutting did.
struct DatasetCounts {
    int64_t longest = 0, cut = 0, dropped = 0, bad = 0;
    int64_t ended = 0;                   // samples in which an end token is trained
    std::vector<std::string> bad_lines;  // the first kShownBadLines of the bad ones: "FILE:LINE: what"
};
inline constexpr size_t kShownBadLines = 5;

struct ReadSamples {
    std::vector<TokenSample> samples;
    std::vector<Sample> sources;  // one for each sample, a text of the line 0 for one of a .txt file
    DatasetCounts counts;
};

/// Reads every form of sample (forms.hpp) from .jsonl, .json, .csv, .tsv and .txt files, gzip or not, one after the other. chat may be
/// null (no template). errors  "FILE:LINE: what" with QL_BAD_FILE or QL_UNSUPPORTED; QL_NOT_FOUND, QL_IO
Result<ReadSamples> read_dataset(const std::vector<std::string> & files, const Tokenizer & tokenizer,
                                 const ChatTemplate * chat, const ReadOptions & options);
inline Result<ReadSamples> read_dataset(const std::string & path, const Tokenizer & tokenizer,
                                        const ChatTemplate * chat, const ReadOptions & options) {
    return read_dataset(std::vector{path}, tokenizer, chat, options);
}

}  // namespace ql
