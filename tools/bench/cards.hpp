// What the makers of cards publish of them: the most that each could do.
#pragma once
#include <span>
#include <string>

namespace ql::cli {

struct Card {
    const char * name;
    const char * chip;
    double bandwidth;  // bytes a second, of its memory
    double tensor;     // FLOP/s, dense, bf16 with sums in f32, on tensor cores; 0: no CUDA card
    double f32;        // FLOP/s, without tensor cores
};

inline std::span<const Card> cards() {
    static constexpr Card kCards[] = {
        // "NVIDIA Ada GPU Architecture", version 2, appendix A, GeForce RTX 4090
        {"rtx4090", "GeForce RTX 4090", 1008e9, 165.2e12, 82.6e12},
        // "NVIDIA RTX Blackwell GPU Architecture", appendix A, GeForce RTX 5090
        {"rtx5090", "GeForce RTX 5090", 1792e9, 209.5e12, 104.8e12},
        // "NVIDIA A100 Tensor Core GPU", data sheet, 80 GB SXM
        {"a100", "A100 SXM 80 GB", 2039e9, 312e12, 19.5e12},
        // "NVIDIA H100 Tensor Core GPU", data sheet, SXM; half of its 1,979 TFLOP/s, which are of sparse matrices
        {"h100", "H100 SXM 80 GB", 3350e9, 989.5e12, 67e12},
        // "NVIDIA H200 Tensor Core GPU", data sheet, SXM; the same half
        {"h200", "H200 SXM 141 GB", 4800e9, 989.5e12, 67e12},
        // "NVIDIA Blackwell Architecture", technical brief, HGX B200, one GPU of 1,000 W; half of its 4.5 PFLOP/s
        {"b200", "B200 SXM 180 GB", 8000e9, 2250e12, 80e12},
        // AMD's product page, Radeon RX 7900 XTX: 61.4 TFLOP/s by two f32 operations an instruction
        {"rx7900xtx", "Radeon RX 7900 XTX", 960e9, 0, 61.4e12},
        // Intel's product page, Arc B580: 20 Xe cores of 128 lanes at 2.67 GHz
        {"arc-b580", "Arc B580", 456e9, 0, 13.67e12},
        // Apple's technical specifications, 400 GB/s; it publishes no operations: 40 cores of 128 lanes at 1.4 GHz, as measured by
        // others
        {"m3-max", "M3 Max, 40 cores", 400e9, 0, 14.3e12},
    };
    return kCards;
}

}  // namespace ql::cli
