// Loops that do nothing but one product instruction, in registers: what this machine could reach at most.
#pragma once
#include <cstdint>
#include <vector>

namespace ql::cli {

struct PeakKernel {
    const char * name;         // "peak_f32"
    const char * path;         // of products that take this instruction: "avx2", "avx512_bf16", "int8_avx2" ...
    const char * instruction;  // "avx512 fma"
    double flops;              // of one iteration
    float (*run)(int64_t n);   // n iterations; the result keeps the compiler from leaving them out
    const char * unit = "GFLOP/s";
};

/// Those that this machine and its operating system can run, at most one for each name.
std::vector<PeakKernel> peak_kernels();

/// Reads n bytes (a multiple of 256) and does nearly nothing with them.
uint64_t read_bytes(const void * data, int64_t n);

}  // namespace ql::cli
