# How the CPU backend's files are compiled. Fuzz targets take the same code with checks in it, not its speed.
set(ql_kernel_optimisation -O3)
if(QL_BUILD_FUZZ)
    set(ql_kernel_optimisation -O1)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang) # it knows no [[gnu::noipa]], and unrolls fewer loops: neither makes a kernel wrong
    target_compile_options(ql_cpu PRIVATE -Wno-unknown-attributes -Wno-pass-failed)
endif()
target_compile_definitions(ql_cpu PUBLIC "HWY_DISABLED_TARGETS=${QL_HWY_DISABLED}")

# Product kernels keep their accumulators in arrays of registers: the loops over them must be unrolled in full.
file(GLOB ql_product_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cpu/products/*.cpp)
set_source_files_properties(${ql_product_sources} PROPERTIES COMPILE_OPTIONS "${ql_kernel_optimisation}")

# What is short, or shares templates, is compiled together.
ql_kernels(ql_cpu ops FILES cpu/ops/*.cpp)
ql_kernels(ql_cpu attention FILES cpu/attention/*.cpp)
ql_kernels(ql_cpu products OPTIONS ${ql_kernel_optimisation}
           FILES cpu/products/branches.cpp cpu/products/decode.cpp cpu/products/soft_cap.cpp cpu/products/softmax.cpp)

# Kernels for what Highway does not offer, in files of their own: bf16_kernels.cpp lists them where they are compiled, and
# they are entered only after isa.cpp has found the instructions.
set(ql_vdpbf16_sources products/gemm_bf16.cpp products/gemv_bf16.cpp products/outer_bf16.cpp attention/forward_bf16.cpp
                       attention/backward_bf16.cpp)
set(ql_avx512_vnni_sources products/coded_avx512_vnni.cpp)
set(ql_avx_vnni_sources products/coded_avx_vnni.cpp)
set(ql_amx_sources products/gemm_amx.cpp attention/forward_amx.cpp attention/backward_amx.cpp)
set(ql_neon_sources ${CMAKE_CURRENT_SOURCE_DIR}/cpu/products/coded_neon.cpp)
list(TRANSFORM ql_vdpbf16_sources PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/cpu/)
list(TRANSFORM ql_amx_sources PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/cpu/)
list(TRANSFORM ql_avx512_vnni_sources PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/cpu/)
list(TRANSFORM ql_avx_vnni_sources PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/cpu/)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND NOT QL_BUILD_FUZZ)
    # -Wno-uninitialized: GCC 12 sees undefined inputs in its own unmasked intrinsics.
    set(ql_avx512_bf16_flags
        ${ql_kernel_optimisation};-mprfchw;-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512bf16;-Wno-uninitialized)
    if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
        list(APPEND ql_avx512_bf16_flags -Wno-maybe-uninitialized)
    endif()
    set_source_files_properties(${ql_vdpbf16_sources} PROPERTIES COMPILE_OPTIONS "${ql_avx512_bf16_flags}")
    set_source_files_properties(${ql_amx_sources} PROPERTIES COMPILE_OPTIONS "${ql_avx512_bf16_flags};-mamx-tile;-mamx-bf16")
    set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/cpu/bf16_kernels.cpp PROPERTIES COMPILE_DEFINITIONS QL_CPU_BF16_KERNELS)
    set(ql_vnni_flags ${ql_kernel_optimisation};-mprfchw;-mavx2;-mfma;-Wno-uninitialized)
    set(ql_avx512_vnni_flags ${ql_vnni_flags};-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni)
    set_source_files_properties(${ql_avx512_vnni_sources} PROPERTIES COMPILE_OPTIONS "${ql_avx512_vnni_flags}")
    set_property(GLOBAL PROPERTY QL_AVX512_VNNI_FLAGS "${ql_avx512_vnni_flags}") # for the test of AVX-VNNI's kernels
    set_source_files_properties(${ql_avx_vnni_sources} PROPERTIES COMPILE_OPTIONS "${ql_vnni_flags};-mavxvnni")
    set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/cpu/products/vnni.cpp PROPERTIES COMPILE_DEFINITIONS QL_CPU_VNNI_KERNELS)
    set_property(GLOBAL PROPERTY QL_AVX512_BF16_FLAGS "${ql_avx512_bf16_flags}") # for tests that compile the AMX kernels on emulated tiles
else()
    set_source_files_properties(${ql_vdpbf16_sources} ${ql_amx_sources} ${ql_avx512_vnni_sources} ${ql_avx_vnni_sources} PROPERTIES HEADER_FILE_ONLY ON) # not compiled
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64" AND CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT QL_BUILD_FUZZ)
    set_source_files_properties(${ql_neon_sources} PROPERTIES COMPILE_OPTIONS "${ql_kernel_optimisation};-march=armv8.2-a+dotprod+i8mm")
    set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/cpu/products/vnni.cpp PROPERTIES COMPILE_DEFINITIONS QL_CPU_NEON_KERNELS)
else()
    set_source_files_properties(${ql_neon_sources} PROPERTIES HEADER_FILE_ONLY ON)
endif()
