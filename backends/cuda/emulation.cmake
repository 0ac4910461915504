# The CUDA backend's sources compiled by the host's compiler against an emulation of CUDA: the backend `cuda-emu`, for tests.
# Kernels are compiled with the thread sanitizer's instrumentation, whose calls emu/hooks.cpp answers: so the emulation sees
# every load and store. A build with a sanitizer of its own cannot have both; its kernels run without that check.
# The real thread sanitizer knows nothing of fibres: its build has no emulation.
set(QL_CUDA_EMULATED ON)
if(QL_SANITIZE MATCHES thread)
    set(QL_CUDA_EMULATED OFF)
endif()
set_property(GLOBAL PROPERTY QL_CUDA_EMULATED ${QL_CUDA_EMULATED})
if(NOT QL_CUDA_EMULATED)
    return()
endif()
set(ql_cuda_instrumentation "")
if(NOT QL_SANITIZE)
    set(ql_cuda_instrumentation -fsanitize=thread)
endif()
set_property(GLOBAL PROPERTY QL_CUDA_INSTRUMENTATION "${ql_cuda_instrumentation}")

ql_apart(cuda/emu/runtime.cpp cuda/emu/graphs.cpp)
ql_module(ql_cuda_emulation DIRS cuda/emu DEPENDS ql_core)

set_source_files_properties(${ql_cuda_kernels} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${ql_cuda_instrumentation};-Wno-unknown-pragmas")
add_library(ql_backend_cuda_emu MODULE ${ql_cuda_host} ${ql_cuda_kernels})
ql_target(ql_backend_cuda_emu)
set_target_properties(ql_backend_cuda_emu PROPERTIES OUTPUT_NAME ql-backend-cuda-emu
                                                     LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test-backends)
target_compile_definitions(ql_backend_cuda_emu PRIVATE QL_CUDA_EMU)
target_include_directories(ql_backend_cuda_emu PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/ggml/include)
target_link_libraries(ql_backend_cuda_emu PRIVATE ql_flags ql_core ql_dtypes ql_graph ql_cuda_emulation)
if(NOT QL_SANITIZE) # a sanitizer's own names are the program's
    target_link_options(ql_backend_cuda_emu PRIVATE -Wl,--no-undefined) # a name that is missing shows here, not when it is opened
endif()
