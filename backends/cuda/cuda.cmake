# An emulation of CUDA, by which the host's compiler builds and runs CUDA sources: for tests.
# Kernels are compiled with the thread sanitizer's instrumentation, whose calls emu/hooks.cpp answers: so the emulation sees
# every load and store. A build with a sanitizer of its own cannot have both; its kernels run without that check.
set(ql_cuda_instrumentation "")
if(NOT QL_SANITIZE)
    set(ql_cuda_instrumentation -fsanitize=thread)
endif()
set_property(GLOBAL PROPERTY QL_CUDA_INSTRUMENTATION "${ql_cuda_instrumentation}")

ql_module(ql_cuda_emulation DIRS cuda/emu DEPENDS ql_core)
