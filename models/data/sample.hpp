// A sample as tokens with a mask of those that carry loss.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ql {

struct TokenSample {
    int64_t line = 0;  // of the file, 1 is the first
    std::vector<int32_t> tokens;
    std::vector<uint8_t> trained;  // token i is an answer's: the model learns to say it

    void push(int32_t token, bool is_trained) {
        tokens.push_back(token);
        trained.push_back(is_trained);
    }

    /// Predictions that carry loss: trained tokens that have one before them.
    int64_t n_trained() const {
        int64_t n = 0;
        for (size_t i = 1; i < trained.size(); ++i) n += trained[i];
        return n;
    }
};

}  // namespace ql
