// What config.json says of weights that GPTQ or AWQ have made integers of a few bits.
#pragma once
#include <cstdint>

#include "models/files/json_file.hpp"

namespace ql {

struct PackedIntegers {
    enum class By { nobody, gptq, awq } by = By::nobody;
    int64_t bits = 4;
    int64_t group = 128;        // inputs that share a scale; 0: all of a row
    bool zeros_less_1 = false;  // GPTQ's first format: a zero point is stored less 1
};

/// Of quantization_config, whose quant_method is "gptq" or "awq", or of the file in which older packers wrote the same.
/// method: where quant_method is missing.
/// errors  QL_UNSUPPORTED: another method or version, or a field that is not known; QL_BAD_FILE
Result<PackedIntegers> read_packed_integers(const JsonFile & config, std::optional<std::string> method = {});

}  // namespace ql
