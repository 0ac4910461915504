// The experts of a Hugging Face directory, a matrix each, as GGUF's tensors of three dimensions: expert e of a stack
// [k, m, n] is its matrix e, byte by byte.
#pragma once
#include <map>
#include <string>

#include "models/hf/names.hpp"
#include "models/model/weights.hpp"

namespace ql {

class HfExperts {
  public:
    /// `matrix` is named as in its file, and stays where it lies until it is stacked.
    Status add(const HfExpert & place, const Weight & matrix);
    bool empty() const { return stacks_.empty(); }
    /// Once all are there: adds each stack as one weight.       errors  QL_BAD_FILE: an expert is missing, or is unlike
    /// the first of its stack
    Status stack(ModelParts & parts) const;

  private:
    std::map<std::string, std::map<int64_t, Weight>> stacks_;  // by GGUF name, by expert
};

}  // namespace ql
