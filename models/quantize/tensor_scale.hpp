// The factor of a whole tensor, which a GGUF file holds in a tensor of its own: "blk.0.ffn_up.scale", f32 [1], beside
// "blk.0.ffn_up.weight". nvfp4 needs it, as its blocks' scales have 8 bits. "blk.0.ffn_up.input_scale" is a factor of the
// product's other side, for kernels that round that to 4 bits: here none does, so it changes nothing.
//                                                                                 (llama.cpp: conversion/base.py, llama-graph.cpp)
#pragma once
#include <string_view>

#include "ql/gguf.h"
#include "ql/status.hpp"

namespace ql {

/// Whether a tensor's factor is known to multiply it: matrices of layers, and the head.
bool can_have_scale(std::string_view name, int n_dims);

/// errors  QL_UNSUPPORTED: not an f32; QL_BAD_FILE: not one number, or one that cannot be a factor. The message names it.
Result<float> tensor_scale(const ql_gguf_tensor & t);

}  // namespace ql
