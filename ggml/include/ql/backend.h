/* ql/backend.h - devices. Backends are found at run time; "cpu" is always there. */
#ifndef QL_BACKEND_H
#define QL_BACKEND_H

#include "ql/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A backend that was found: built in, or a shared object libql-backend-NAME.so in a folder of $QL_BACKEND_PATH, beside
 *  the program, or in ../lib/ql from there. */
typedef struct ql_backend_info {
    size_t size;          /* set by the caller: sizeof(ql_backend_info) */
    const char * name;    /* "cpu"; "" for one that was refused */
    const char * path;    /* of its shared object; "" for one that is built in */
    const char * refused; /* "", or why it is not used: "cannot be opened: ...", "was built for another version" */
    int64_t devices;      /* that it can open; 0 for one that was refused. The first call may start a driver */
    const char * trouble; /* "", or why there are no devices: "no driver: ..." */
} ql_backend_info;
/** How many backends were found, refused ones included; at least 1. The search runs once in a process, at first use. */
QL_API int64_t ql_backend_count(void);
/** Describes the i-th backend, in the order of "auto". Strings are the library's, for the process's life.
 *  errors  QL_INVALID_ARGUMENT: i out of range */
QL_API ql_status ql_backend_describe(int64_t i, ql_backend_info * info);
/** A device that a backend can open, by its name: "cuda:1". */
typedef struct ql_found_device {
    size_t size;       /* set by the caller: sizeof(ql_found_device) */
    const char * chip; /* the maker's name; "" where unknown */
    uint64_t memory;   /* bytes of the memory that it computes in; 0: unknown */
} ql_found_device;
/** Device `number` of the i-th backend. Strings are the library's, for the process's life.
 *  errors  QL_INVALID_ARGUMENT: i or number out of range */
QL_API ql_status ql_backend_device(int64_t i, int64_t number, ql_found_device * device);
/** Threads may share a device, each with its own graphs, plans and sessions: they take turns, a run of a plan each. */
typedef struct ql_device ql_device;

typedef enum ql_compute {
    QL_COMPUTE_AUTO = 0, /* bf16 where the device has a fast bf16 product, else int16 where that is faster than f32 */
    QL_COMPUTE_F32 = 1,
    QL_COMPUTE_BF16 = 2, /* operands of products rounded to bf16, sums in f32 */
    QL_COMPUTE_INT8 = 3, /* both operands of products with quantized or 16-bit weights rounded to int8 by blocks of 64,
                          * sums of blocks in int32; all other products as AUTO has them, in bf16 or in f32. Not on
                          * every device */
    QL_COMPUTE_INT16 = 4 /* the same with integers up to 2896 and blocks of 256, all other products in f32: finer than
                          * bf16, and where there is no instruction for bytes no slower than int8 */
} ql_compute;

typedef struct ql_device_options {
    size_t size;        /* sizeof(ql_device_options): set by ql_device_options_init */
    const char * name;  /* "auto", "cpu"; "cuda:0" ... where such a backend is installed; "cuda:0,cuda:1,cpu": several,
                           over which a plan shares out a model's layers */
    int threads;        /* CPU threads; 0: the physical cores, or $QL_THREADS */
    ql_compute compute; /* how products are computed */
} ql_device_options;

/** Fills in the defaults (auto, all cores, auto). */
QL_API void ql_device_options_init(ql_device_options * options);
/** Opens a device; NULL options: the defaults. The caller closes it last: after the plans on it and the
 *  graphs whose leaves live on it are freed.
 *  errors  QL_NOT_FOUND: no such backend (names those that were found); QL_INVALID_ARGUMENT: threads, $QL_ISA;
 *          QL_NO_MEMORY: the system does not start so many threads */
QL_API ql_status ql_device_open(const ql_device_options * options, ql_device ** device);
QL_API void ql_device_close(ql_device * device);

typedef struct ql_device_info {
    size_t size;             /* set by the caller: sizeof(ql_device_info) */
    const char * backend;    /* "cpu"; for several devices their names: the rest then describes the first */
    const char * isa;        /* what the kernels are made for: "scalar", "baseline", "avx2", "avx512", ... */
    const char * product;    /* the path of quantised products: "f32", "int8", "int16", "avx512_bf16", ... */
    const char * chip;       /* the processor's own name */
    int threads;             /* that share a kernel */
    int bf16;                /* 1 if products round their operands to bf16 */
    int host_memory;         /* 1 if it reads host memory: weights are used where they are */
    int copy_queue;          /* 1 if copies run beside kernels */
} ql_device_info;
/** Strings are owned by the device. */
QL_API ql_status ql_device_describe(const ql_device * device, ql_device_info * info);

#ifdef __cplusplus
}
#endif
#endif
