// Weights of a checkpoint that bitsandbytes has quantised, as transformers saves them. "w.weight" holds codes, and tensors
// beside it say what they mean:
//    NF4, FP4   w.weight.quant_state.bitsandbytes__nf4   JSON: shape, blocksize; of absmax that are quantised again nested_*
//               w.weight.quant_map       f32 [16]         the values of the codes
//               w.weight.absmax          f32, or codes    of each `blocksize` weights of the flat tensor
//               w.weight.nested_absmax, .nested_quant_map absmax = nested_quant_map[code] * nested_absmax + nested_offset
//               two codes a byte, the first in the upper half
//    int8       w.SCB                    f32 [rows]       weight = code * SCB / 127
// NF4 becomes nf4 or nf4_dq and FP4 fp4, whose bytes stand elsewhere and mean the same values; int8 f32, as no type here holds it.
//                                                                                              (Dettmers et al. 2022, 2023)
#pragma once
#include <map>
#include <string>
#include <vector>

#include "models/files/safetensors.hpp"
#include "models/load/hf_tensor.hpp"

namespace ql {

/// Tensors of a checkpoint by their names.
using SafeTensors = std::map<std::string, SafeTensor>;

/// The name of the weight that a tensor says something about: "w.weight" of "w.weight.absmax" and of "w.SCB"; "" for others.
std::string bnb_weight_of(const std::string & name);

/// Whether `beside` holds what says how "w.weight" is quantised.
bool is_bnb_weight(const std::string & name, const SafeTensors & beside);

/// head_dim: of rows that take GGUF's order; 0: they stay. `name` is the GGUF name.
/// errors  QL_BAD_FILE: what is beside the codes is missing, or contradicts them; QL_UNSUPPORTED
Result<std::unique_ptr<HfTensor>> bnb_tensor(const std::string & name, const SafeTensor & codes,
                                             const SafeTensors & beside, int64_t head_dim);

}  // namespace ql
