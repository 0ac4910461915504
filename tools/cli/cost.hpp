// What a conversion costs: how well the model predicts a text before and after.
#pragma once
#include <string>

#include "ql/generate.h"
#include "tools/cli/program.hpp"

namespace ql::cli {

class Cost {
  public:
    /// Reads the text, which may be empty for none.
    explicit Cost(const std::string & text_path);
    /// Both models on the text, in windows of 512 tokens.
    void measure(const std::string & before, const std::string & after, int64_t threads);
    /// "perplexity 12.1 -> 12.3 ..."
    std::string line() const;
    Json json() const;
    bool is_asked() const { return !text_.empty(); }

  private:
    std::string text_;
    ql_nll before_{}, after_{};
};

}  // namespace ql::cli
