/* ql/selftest.h - the library's own conformance cases, run on the user's machine. */
#ifndef QL_SELFTEST_H
#define QL_SELFTEST_H

#include "ql/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One case of one operator. */
typedef struct ql_self_test_case {
    size_t size;
    const char * op;      /* the operator */
    const char * name;    /* of the case */
    int passed;           /* 1 or 0 */
    double error, limit;  /* normalised mean squared error against the reference in f64: the worst result's, and what is
                             allowed; infinite for a result that is not a number */
    const char * message; /* "", or what went wrong: a device's error, a write outside a result */
    int64_t index, n;     /* of all cases */
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

/** Random weights of a type that can only be read, to measure or to test with: every code occurs, behind scales that
 *  make `rms` the weights' root mean square, and their mean about zero. The same for the same seed, type and n.
 *  dst     ql_dtype_bytes(dtype, n) bytes, aligned as the type needs
 *  errors  QL_UNSUPPORTED for a type that ql_encode writes: encode random numbers; QL_BAD_SHAPE unless n is a multiple
 * of the block length, and positive */
QL_API ql_status ql_self_test_weights(ql_dtype dtype, uint64_t seed, int64_t n, float rms, void * dst);

#ifdef __cplusplus
}
#endif
#endif
