// Weights of a checkpoint that GPTQ or AWQ has made integers: code q, zero point z and scale s say s * (q - z). A linear
// "w" of k inputs and m outputs is
//    w.qweight  int32   GPTQ [k / n, m]: n codes of consecutive inputs, the first in the lowest bits; n = 32 / bits
//                       AWQ  [k, m / 8]: codes of outputs 0 2 4 6 1 3 5 7
//    w.qzeros   int32   [groups, m / n]: z of outputs, as AWQ's codes, or GPTQ's in order; in GPTQ's first format less 1
//    w.scales   f16     [groups, m]
//    w.g_idx    int32   [k], of GPTQ: the group of each input; where it is missing, they follow one another
// They become what holds the same values: q4_0 where z is 8, q5_0 with another z, q8_0 for 8 bits, all with s as their blocks'
// scale. f32 holds the others.                                            (Frantar et al. 2022; Lin et al. 2023; AutoGPTQ, AutoAWQ)
#pragma once
#include <map>
#include <string>

#include "models/files/safetensors.hpp"
#include "models/hf/packed_integers.hpp"
#include "models/load/hf_tensor.hpp"

namespace ql {

/// "w.weight" of "w.qweight" and of the tensors beside it; "" for others.
std::string packed_weight_of(const std::string & name);

/// Of the linear "w" whose tensors `beside` holds by their names. head_dim: of rows that take GGUF's order; 0: they stay.
/// `name` is the GGUF name. why_f32: gets why it is f32, "" where it is not.
/// errors  QL_BAD_FILE: a tensor is missing, or contradicts the others; QL_UNSUPPORTED; QL_NON_FINITE
Result<std::unique_ptr<HfTensor>> packed_tensor(const std::string & name, const std::string & linear,
                                                const std::map<std::string, SafeTensor> & beside,
                                                const PackedIntegers & form, int64_t head_dim, std::string & why_f32);

}  // namespace ql
