// Which type each tensor of a model takes when the model is quantised: one rule for ql-quantize and for loading.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ql/dtype.h"
#include "ql/status.hpp"

namespace ql {

enum class WeightRole { block_matrix, embedding, other };

/// Block matrices are the linears inside a layer, stacks of experts among them; embedding and head are one role; norms,
/// biases, rope factors and what routes tokens to experts are other.
WeightRole weight_role(std::string_view name, int n_dims);

struct QuantizeChoice {
    ql_dtype dtype;    // what the tensor becomes
    std::string note;  // why it is not the asked type, "" if it is
};

/// Bits of one element of the type.
double bits_per_element(ql_dtype dtype);

/// The type that a tensor gets when `target` is asked for. A tensor whose rows do not fit the target's block becomes
/// F16, or keeps its own type if that is smaller.
QuantizeChoice choose_type(std::string_view name, ql_dtype from, int64_t row, ql_dtype target);

/// What a tensor of a file becomes where block matrices are asked to be `type`, a ql_dtype or QL_BASE_KEEP, and
/// embedding and head `embedding_type`: a ql_dtype, QL_BASE_KEEP or QL_BASE_AUTO.
QuantizeChoice choose_file_type(std::string_view name, int n_dims, ql_dtype from, int64_t row, int64_t type,
                                int64_t embedding_type);

/// The type of embedding and head that goes with blocks of type `blocks`: their own where it has at most 8 bits, else
/// that of the blocks where it has 16 or more, else q8_0.
ql_dtype automatic_embedding(ql_dtype from, ql_dtype blocks);

/// Elements of a tensor, and the whole of it that they are part of.
struct TensorPart {
    std::string_view name;
    ql_dtype dtype;
    const void * data;     // of the whole tensor
    int64_t all;           // elements of the whole tensor
    int64_t first, count;  // whole rows
    float scale = 1;       // of the whole tensor: its values are what `data` holds times this
};

/// errors  QL_NON_FINITE: the message names the tensor and the first element that is not a number
Status check_finite(const TensorPart & part);
Status check_finite(std::string_view name, ql_dtype dtype, const void * data, int64_t n);

/// How the scales of blocks are chosen, where a type has the choice.
enum class Scales { largest_weight, search };

/// How elements are encoded: with whose scales, and rounded to the nearest value, or with the thresholds of a key
/// (ql_encode_dithered) where the type has them.
struct WeightEncoding {
    Scales scales = Scales::largest_weight;
    std::optional<uint32_t> dither = {};
    int64_t first = 0;  // the element of the tensor that the part begins with, for its threshold
};

/// The values of elements, whatever they are. values [part.count]
Status decode_part(const TensorPart & part, float * values);

/// Converts elements to another type; dst has ql_dtype_bytes(to, count) bytes, and holds a tensor of these alone. What is
/// not finite, or would not be in the new type, is refused whatever the types are. A type without search is encoded as ever.
/// errors  QL_NON_FINITE, QL_NO_MEMORY; the message names the tensor
Status convert_part(const TensorPart & part, ql_dtype to, void * dst, const WeightEncoding & encoding = {});
/// The same of a whole tensor of n elements.
Status convert_tensor(std::string_view name, ql_dtype from, const void * src, ql_dtype to, void * dst, int64_t n,
                      Scales scales = Scales::largest_weight);

}  // namespace ql
