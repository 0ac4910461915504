#include "models/hf/packed_integers.hpp"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

/// How the codes were found, and what the tensors show by themselves: which linears are quantised, in what order the inputs
/// were, whether zero points are the middle.
constexpr HarmlessKey kHarmless[] = {{"quant_method"},
                                     {"desc_act"},
                                     {"sym"},
                                     {"static_groups"},
                                     {"true_sequential"},
                                     {"damp_percent"},
                                     {"damp_auto_increment"},
                                     {"act_group_aware"},
                                     {"mse"},
                                     {"lm_head"},
                                     {"quant_lm_head"},
                                     {"modules_to_not_convert"},
                                     {"modules_in_block_to_quantize"},
                                     {"block_name_to_quantize"},
                                     {"module_name_preceding_first_block"},
                                     {"model_name_or_path"},
                                     {"model_file_base_name"},
                                     {"is_marlin_format"},
                                     {"dataset"},
                                     {"tokenizer"},
                                     {"batch_size"},
                                     {"pad_token_id"},
                                     {"model_seqlen"},
                                     {"max_input_length"},
                                     {"cache_block_outputs"},
                                     {"use_cuda_fp16"},
                                     {"use_exllama"},
                                     {"disable_exllama"},
                                     {"exllama_config"},
                                     {"backend"},
                                     {"do_fuse"},
                                     {"fuse_max_seq_len"},
                                     {"modules_to_fuse"},
                                     {"offload_to_disk"},
                                     {"offload_to_disk_path"},
                                     {"pack_impl"},
                                     {"meta"}};

/// The first of two names that is there.
const char * either(const JsonFile & config, const char * name, const char * other) {
    return config.has(name) ? name : other;
}

Status read_group(const JsonFile & config, const char * key, int64_t & group) {
    double value = 0;
    QL_TRY(config.number(key, value, 128.0));
    constexpr double kMost = 1 << 20;  // inputs; far above any row
    if (value != std::floor(value) || value < -1 || value == 0 || value > kMost)
        return config.wrong(key, "must be -1 or from 1 on");
    group = std::max<int64_t>(static_cast<int64_t>(value), 0);
    return {};
}

/// How the codes are packed, in small letters; `missing` where none of its names is there.
Result<std::string> read_format(const JsonFile & config, const char * missing) {
    std::string format;
    for (const char * key : {"checkpoint_format", "format", "version"}) {
        if (!config.has(key)) continue;
        std::string found;
        QL_TRY(config.text(key, found));
        for (char & c : found) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        if (!format.empty() && found != format) return config.wrong(key, "contradicts another name of the format");
        format = found;
    }
    return format.empty() ? missing : format;
}

Status unsupported_format(const std::string & format, const char * known) {
    return error(QL_UNSUPPORTED, "quantization_config: format '%.40s' is not supported, %s", format.c_str(), known);
}

Status read_gptq(const JsonFile & config, PackedIntegers & out) {
    out.by = PackedIntegers::By::gptq;
    QL_TRY(config.size("bits", out.bits));
    QL_TRY(read_group(config, "group_size", out.group));
    QL_ASSIGN(const std::string format, read_format(config, "gptq"));
    out.zeros_less_1 = format == "gptq";
    if (!out.zeros_less_1 && format != "gptq_v2") return unsupported_format(format, "those of gptq and gptq_v2 are");
    if (out.bits == 4 || out.bits == 8) return {};
    return error(QL_UNSUPPORTED, "quantization_config: %lld bits of GPTQ are not supported, 4 and 8 are",
                 static_cast<long long>(out.bits));
}

Status read_awq(const JsonFile & config, PackedIntegers & out) {
    out.by = PackedIntegers::By::awq;
    QL_TRY(config.size(either(config, "bits", "w_bit"), out.bits, 4));
    QL_TRY(read_group(config, either(config, "group_size", "q_group_size"), out.group));
    QL_ASSIGN(const std::string format, read_format(config, "gemm"));
    if (format != "gemm") return unsupported_format(format, "that of gemm is");
    bool zeros = true;
    QL_TRY(config.flag("zero_point", zeros, true));
    if (!zeros) return error(QL_UNSUPPORTED, "quantization_config: AWQ without zero points is not supported");
    if (out.bits == 4) return {};
    return error(QL_UNSUPPORTED, "quantization_config: %lld bits of AWQ are not supported, 4 are",
                 static_cast<long long>(out.bits));
}

}  // namespace

Result<PackedIntegers> read_packed_integers(const JsonFile & config, std::optional<std::string> method) {
    PackedIntegers out;
    std::string by, unit;
    QL_TRY(config.text("quant_method", by, std::move(method)));
    if (by != "gptq" && by != "awq")
        return error(QL_UNSUPPORTED,
                     "weights that '%.40s' has made integers are not supported, those of gptq and awq are", by.c_str());
    QL_TRY(by == "gptq" ? read_gptq(config, out) : read_awq(config, out));
    QL_TRY(config.text("pack_dtype", unit, "int32"));
    if (unit != "int32")
        return error(QL_UNSUPPORTED, "quantization_config: pack_dtype '%.20s' is not supported, int32 is",
                     unit.c_str());
    QL_TRY(config.refuse_unread(kHarmless));
    return out;
}

}  // namespace ql
