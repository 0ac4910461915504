/* ql/ql.h - the whole engine: include this one.
 *
 *     float values[8] = {1, 2, 3, 4, 4, 3, 2, 1}, result[8];
 *     const int64_t ne[] = {4, 2};                          two rows of four: sizes are innermost first
 *     ql_device * device;
 *     ql_graph * g;
 *     ql_plan * plan;
 *     ql_device_open(NULL, &device);                        each of these returns a ql_status
 *     ql_graph_create(&g);
 *     ql_tensor * x = ql_input(g, "x", QL_F32, 2, ne);
 *     ql_tensor * y = ql_softmax(g, x);                     builders nest: NULL in, NULL out; the graph keeps the error
 *     ql_plan_create(g, device, &y, 1, &plan);              which is reported here
 *     ql_tensor_write(x, values, 0, sizeof(values));
 *     ql_plan_run(plan);                                    as often as is wanted
 *     ql_plan_read(plan, y, result, 0, sizeof(result));
 *     ql_plan_free(plan);                                   plans, then their graph, then the device
 *     ql_graph_free(g);
 *     ql_device_close(device);
 *
 * Chapters, in the order in which a first reader needs them:
 *     status.h, dtype.h, tensor.h    what calls return; element types; tensors
 *     graph.h, ops.h                 leaves, and the operators over them
 *     backend.h, plan.h              devices; a compiled part of a graph
 *     grad.h, optim.h                gradients of parameters; accumulation, clipping, optimizers
 *     gguf.h, os.h, selftest.h       model files; safe files, locks, memory; conformance and speed on this machine (and dither.h)
 *
 * Threads: each thread has its own error messages. A device may be shared; a graph, its tensors and its plans are used
 * by one thread at a time. A plan gives the same bits for any number of threads.
 *
 * Stability: 0.x. A function may change from one minor version to the next. Numbers of enumerators stay: some are in
 * files. Structs begin with their size and grow at their end, so that a program and a library of two versions
 * understand each other. ql/ql.hpp is the same for C++20: owning handles, errors as values. It is compiled into the
 * program that includes it, and comes without this promise. */
#ifndef QL_H
#define QL_H
#include "ql/status.h"
#include "ql/dtype.h"
#include "ql/tensor.h"
#include "ql/graph.h"
#include "ql/ops.h"
#include "ql/backend.h"
#include "ql/plan.h"
#include "ql/grad.h"
#include "ql/optim.h"
#include "ql/gguf.h"
#include "ql/os.h"
#include "ql/selftest.h"
#endif
