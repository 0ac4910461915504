// --logprobs: the tokens of an answer with their log-probabilities, and what else might have stood in their places.
#pragma once
#include <nlohmann/json.hpp>

#include "ql/models.hpp"
#include "tools/cli/program.hpp"

namespace ql::cli {

class Logprobs {
  public:
    void add(const ql_generated & token, const ql_tokenizer * tokenizer);
    /// A list by token.
    const Json & json() const { return tokens_; }
    /// A line for each token: the token, its log-probability, and the most probable tokens in its place.
    void print() const;

  private:
    Json tokens_ = Json::array();
};

}  // namespace ql::cli
