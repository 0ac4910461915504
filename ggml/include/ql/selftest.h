/* ql/selftest.h - the table of operators, and what the library measures on the user's machine: its own conformance
 * cases, and the speed of an operator. */
#ifndef QL_SELFTEST_H
#define QL_SELFTEST_H

#include "ql/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One case of one operator. */
typedef struct ql_self_test_case {
    size_t size;
    const char * op;      /* the operator */
    const char * name;    /* of the case */
    int passed;           /* 1 or 0; 1 also for what the device has no kernel for and leaves to the CPU */
    double error, limit;  /* normalised mean squared error against the reference in f64: the worst result's, and what is
                             allowed; infinite for a result that is not a number */
    const char * message; /* "", or what went wrong: a device's error, a write outside a result. Of a case that passed: why
                             the device leaves it to the CPU */
    int64_t index, n;     /* this is case `index` of n */
} ql_self_test_case;

/** Runs every operator's kernel of a device on its conformance cases and compares with the scalar reference. Takes
 *  turns with plans that other threads run on the device.
 *  quick     1: only the first cases of each operator
 *  on_case   called after each case; the strings live until it returns; non-zero stops
 *  n_failed  NULL, or receives the number of cases that failed: a failed case is no error of this call
 *  errors    QL_CANCELLED */
QL_API ql_status ql_self_test(ql_device * device, int quick,
                              int (*on_case)(void * user, const ql_self_test_case * result), void * user,
                              int64_t * n_failed);

/** Random weights of a type that can only be read, to measure or to test with: every code occurs, with scales that
 *  make `rms` the weights' root mean square and their mean about zero. The same for the same seed, type and n.
 *  dst     ql_dtype_bytes(dtype, n) bytes, aligned as the type needs
 *  errors  QL_UNSUPPORTED for a type that ql_encode writes: encode random numbers; QL_BAD_SHAPE unless n is a multiple
 *          of the block length, and positive */
QL_API ql_status ql_self_test_weights(ql_dtype dtype, uint64_t seed, int64_t n, float rms, void * dst);

/** A row of the table of operators. */
typedef struct ql_op_info {
    size_t size;
    const char * name;
    const char * formula;
    int has_weight; /* 1: one of its inputs may be of any type that weights have */
} ql_op_info;

/** The number of operators, those of gradients and of the planner included. */
QL_API int64_t ql_op_count(void);
/** Describes operator i; its strings live as long as the library.
 *  errors  QL_INVALID_ARGUMENT: no such operator, `info` is NULL or its size is not set */
QL_API ql_status ql_op_describe(int64_t i, ql_op_info * info);

/** A plan of one operator alone, with plausible values in all its inputs. */
typedef struct ql_op_bench ql_op_bench;

/** Makes a bench; the caller owns it, and frees it before the device.
 *  dtype   of the weight, where the operator has one
 *  k, m, t row length, rows of the weight, tokens: each operator's tensors are as large as in a model of these sizes
 *  errors  QL_NOT_FOUND: no operator of that name; QL_BAD_SHAPE: it has no tensors of these sizes */
QL_API ql_status ql_op_bench_create(ql_device * device, const char * op, ql_dtype dtype, int64_t k, int64_t m, int64_t t,
                                    ql_op_bench ** bench);
/** The bench's plan, to be run, described and profiled like any (ql/plan.h); lives as long as the bench. NULL for NULL.
 *  The planner may have made several nodes of the operator. */
QL_API ql_plan * ql_op_bench_plan(ql_op_bench * bench);
QL_API void ql_op_bench_free(ql_op_bench * bench);

#ifdef __cplusplus
}
#endif
#endif
