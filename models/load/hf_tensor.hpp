// A tensor of a Hugging Face directory under its GGUF name, with what must happen to its bytes on the way: q's and k's rows
// change their order, norms and biases become f32, codes of another program stand elsewhere, and what lies at an odd address
// is copied.
#pragma once
#include <memory>

#include "models/model/weights.hpp"
#include "models/quantize/row_source.hpp"

namespace ql {

class HfTensor : public RowSource {
  public:
    /// As it is wanted; `data` is null where it must be read.
    const Weight & weight() const { return weight_; }
    /// Its bytes in the mapped file.
    const void * file_data() const { return file_data_; }
    size_t file_bytes() const { return file_bytes_; }

  protected:
    Weight weight_;
    const void * file_data_ = nullptr;
    size_t file_bytes_ = 0;
};

/// What GGUF holds of a tensor of f32, f16 or bf16.
struct HfChange {
    int64_t head_dim = 0;  // of rows that take GGUF's order; 0: they stay
    bool wide = false;     // becomes f32
    double shift = 0;      // is added; of wide ones
};

/// `stored` is the tensor under its GGUF name as it lies in its file.      errors  QL_BAD_FILE: rows are no whole heads
Result<std::unique_ptr<HfTensor>> plain_tensor(const Weight & stored, const HfChange & change);

}  // namespace ql
