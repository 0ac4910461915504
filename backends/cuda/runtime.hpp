// CUDA's runtime API: the toolkit's, or the emulation's.
#pragma once
#ifdef QL_CUDA_EMU
#include "backends/cuda/emu/runtime.hpp"
#else
#include <cuda_runtime.h>
#endif
