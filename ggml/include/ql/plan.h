/* ql/plan.h - a compiled part of a graph: order, kernels, offsets and peak memory, all known before it runs. */
#ifndef QL_PLAN_H
#define QL_PLAN_H

#include "ql/backend.h"
#include "ql/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_plan ql_plan;

/** Plans what the outputs need, and nothing else, on a device. Results share one arena whose buffers are reused; leaves
 *  get their storage with the first plan that uses them. Several plans of one graph share its leaves (a training step
 *  and an optimizer step, say). The caller owns *plan; free it before the graph and the device.
 *  outputs  tensors that ql_plan_read can read after a run, and nodes that act by side effect (ql_adamw, ql_kv_store)
 *  errors   the graph's first error; QL_UNSUPPORTED: no kernel takes a node (names it); QL_INVALID_ARGUMENT: a leaf is
 *           on another device, where an earlier plan put it; QL_NO_MEMORY */
QL_API ql_status ql_plan_create(ql_graph * graph, ql_device * device, ql_tensor * const * outputs, int n_outputs,
                                ql_plan ** plan);
/** As ql_plan_create, with results in the arena of another plan of the same device where they fit there: for plans that
 *  run in turn, as a step and its evaluation do. Outputs are each plan's own: a run of one leaves the other's alone.
 *  over     NULL: an arena of its own; else it must outlive the last run of *plan */
QL_API ql_status ql_plan_create_over(ql_graph * graph, ql_device * device, ql_tensor * const * outputs, int n_outputs,
                                     const ql_plan * over, ql_plan ** plan);
/** As ql_plan_create_over, over several devices: the nodes' places (ql_graph_set_place) are shared out in equal runs,
 *  in the order of the list. A device opened as several ("cuda:0,cuda:1") stands for all of them. The CPU runs
 *  a node for which the backend has no kernel. What a node reads from another device is copied to its own, through
 *  host memory: one copy where the CPU reads or has written it, else two. Devices and copies run side by side if they
 *  need nothing of each other. A frozen weight is uploaded once to each device that does not read host memory. Other
 *  leaves live where first used; what changes one in place runs there. ql_plan_node says where a node runs, and why.
 *  devices  n_devices, at least one; they outlive the plan and the graph
 *  errors   QL_INVALID_ARGUMENT: a leaf lives on a device outside the list; a node changes leaves of two devices */
QL_API ql_status ql_plan_create_on(ql_graph * graph, ql_device * const * devices, int n_devices,
                                   ql_tensor * const * outputs, int n_outputs, const ql_plan * over, ql_plan ** plan);
typedef struct ql_plan_options {
    size_t size;          /* set by the caller: sizeof(ql_plan_options) */
    const ql_plan * over; /* as ql_plan_create_over; NULL: an arena of its own */
    int lanes;            /* runs of the plan that go side by side, each with inputs and results of its own, such as
                             micro-batches whose gradients are added up; 0: one. With `memory` at most so many: the plan
                             takes fewer where their results do not fit (ql_plan_info.lanes) */
    uint64_t memory;      /* bytes of everything that the plan needs, leaves and weights included; 0: no limit. Where they
                             do not suffice, weights that ql_gguf_open has mapped are read from their file again when
                             they are needed, and places are computed again. A plan that reads them no more than twice
                             for all lanes is taken before one that does so for several groups of them */
    const char * spill;   /* NULL, or a folder: with `memory`, results may be in a file without a name there between
                             the forward and the backward pass; so may all that lanes carry from place to place */
    int recomputed;       /* the first so many places (ql_graph_set_place), but never the last one: what the backward pass
                             needs of them is computed again there, and not kept. Less memory, more time, same bits */
} ql_plan_options;
/** As ql_plan_create_on, with options. options NULL: none. No option changes a bit of the results. The plans of one
 *  graph that are made over a plan with `memory` keep the same weights in memory.
 *  errors   QL_INVALID_ARGUMENT: `recomputed` or `lanes` is negative; QL_NO_MEMORY: `memory` is too small, the message has the
 *           smallest that would do; QL_NO_SPACE: so has that of what is free in `spill`; QL_UNSUPPORTED: memory or lanes
 *           on several devices, or on one that has a memory of its own */
QL_API ql_status ql_plan_create_with(ql_graph * graph, ql_device * const * devices, int n_devices,
                                     ql_tensor * const * outputs, int n_outputs, const ql_plan_options * options,
                                     ql_plan ** plan);
/** The smallest options->memory with which ql_plan_create_with makes this plan. options NULL: none
 *  errors   as ql_plan_create_with's */
QL_API ql_status ql_plan_least_memory(ql_graph * graph, ql_device * const * devices, int n_devices,
                                      ql_tensor * const * outputs, int n_outputs, const ql_plan_options * options,
                                      uint64_t * bytes);
/** Parameters and states of which a plan has bytes in memory only while its nodes use them, such as the moments of an
 *  optimizer: each is read while the nodes before compute, and written back behind them. Between runs they are in a file
 *  without a name in the folder, which is gone when the graph is freed and when the process ends in whatever way.
 *  ql_tensor_read and ql_tensor_write go to the file. No bit of a result changes. To be called before the first plan that
 *  uses the leaves. The space is set aside at once, so that a disk that fills up later does not end a run. A run that
 *  fails leaves some of them as they were before it, and some as they are after it.
 *  leaves   n parameters and states of the graph, each once
 *  errors   QL_INVALID_ARGUMENT (a leaf is something else, has storage, or is there twice); QL_NOT_FOUND, QL_IO (the
 *           folder is not there or not writable), QL_NO_SPACE. Plans over them: QL_UNSUPPORTED on several devices or one
 *           that has a memory of its own; running: QL_IO, QL_NO_SPACE */
QL_API ql_status ql_graph_page_out(ql_graph * graph, ql_tensor * const * leaves, int n, const char * folder);
QL_API void ql_plan_free(ql_plan * plan);
/** Runs all nodes; returns when they are done. Allocates nothing. Where other threads run plans on the same device,
 *  calls take turns in their order; one plan, and the plans of one graph, are for one thread at a time. */
QL_API ql_status ql_plan_run(ql_plan * plan);
/** Runs the first n lanes: each node for all of them before the next place of the model. ql_plan_run runs one.
 *  errors   QL_INVALID_ARGUMENT: the plan has fewer lanes, or n < 1; QL_IO: a weight cannot be read any more */
QL_API ql_status ql_plan_run_lanes(ql_plan * plan, int n);
/** Writes bytes of a lane's input; lane 0 has the graph's (ql_tensor_write). Lane, range: as ql_plan_read_lane */
QL_API ql_status ql_plan_write_lane(ql_plan * plan, int lane, ql_tensor * input, const void * src, size_t offset,
                                    size_t bytes);
/** As ql_plan_read, of a lane.
 *  errors   QL_INVALID_ARGUMENT: also for a lane that the plan does not have */
QL_API ql_status ql_plan_read_lane(const ql_plan * plan, int lane, const ql_tensor * output, void * dst, size_t offset,
                                   size_t bytes);
/** Copies bytes of an output, as the plan's last run left them: another plan's run changes them only if they belong
 *  to a state or a parameter.
 *  errors   QL_INVALID_ARGUMENT: output is not one of the plan's, or the range is outside it */
QL_API ql_status ql_plan_read(const ql_plan * plan, const ql_tensor * output, void * dst, size_t offset, size_t bytes);

typedef struct ql_plan_info {
    size_t size;           /* set by the caller: sizeof(ql_plan_info) */
    int64_t n_nodes;       /* kernels launched by a run */
    uint64_t arena_bytes;  /* results, scratch and staging, exact */
    uint64_t leaf_bytes;   /* inputs, parameters and states that this plan uses */
    uint64_t weight_bytes; /* frozen weights, used in place */
    uint64_t peak_bytes;   /* the three together */
    double flops;          /* floating-point operations of a run */
    uint64_t shared_bytes; /* of arena_bytes: what lies in another plan's arena */
    int lanes;             /* that run at once */
    int recomputed;        /* places whose results are computed again */
    uint64_t page_bytes;   /* of arena_bytes: room for weights and paged leaves that are read and dropped */
    uint64_t read_bytes;   /* of weights that a run reads from their files, whatever its lanes */
    uint64_t spill_bytes;  /* of results, on disk */
    uint64_t bytes_written; /* to it by all runs so far */
    uint64_t bytes_read;   /* of weights and results that all runs so far have read */
    double seconds_waited; /* in which all runs so far did nothing but wait for them */
    uint64_t leaf_read_bytes, leaf_written_bytes; /* of leaves that are paged out (ql_graph_page_out), by a run */
    uint64_t spill_read_bytes, spill_written_bytes; /* of results, by a run of all lanes */
} ql_plan_info;
QL_API ql_status ql_plan_describe(const ql_plan * plan, ql_plan_info * info);

/** Memory of several plans together: a leaf counts once for each device that has it, an arena that plans share once. */
typedef struct ql_memory_info {
    size_t size;      /* set by the caller: sizeof(ql_memory_info) */
    uint64_t weights; /* frozen: used in place, and as uploaded to devices */
    uint64_t params;  /* trainable */
    uint64_t states;  /* gradient sums, moments, caches */
    uint64_t inputs;
    uint64_t results; /* arenas and outputs, scratch included */
    uint64_t scratch; /* of these: the most that one kernel needs while it runs */
    uint64_t total;   /* all of these but scratch */
    uint64_t staging; /* host memory in which results lie on their way from one device to another */
    uint64_t pages;   /* room for weights and paged leaves that are read and dropped */
} ql_memory_info;
/** device   only bytes on this device are counted; NULL: on all devices
 *  errors   QL_INVALID_ARGUMENT: plans or one of them is NULL, n is negative */
QL_API ql_status ql_plans_memory(const ql_plan * const * plans, int n, const ql_device * device, ql_memory_info * info);

/** Time by node, for profiles. Off by default; costs two clock reads a node. */
QL_API ql_status ql_plan_set_profiling(ql_plan * plan, int on);
typedef struct ql_plan_node_info {
    size_t size;         /* set by the caller */
    const char * op;     /* operator's name */
    const char * name;   /* the first result's name */
    double seconds;      /* all runs since profiling was switched on */
    double flops;        /* of one run; those of all nodes add up to the plan's */
    int64_t runs;
    double bytes;        /* of one run: what it reads and writes if each tensor goes over the bus once */
    const char * device; /* that runs it, by the name that it was opened by; a "copy" goes between this device's
                            memory and the host's */
    const char * moved;  /* "", or why it does not run on the device of its place */
    int place;           /* in the model (ql_graph_set_place) */
    int is_backward;     /* 1: of a backward pass, or computed again there */
    uint64_t live_bytes;    /* of results, of all lanes, that are needed while it runs or later */
    uint64_t scratch_bytes; /* that it needs for itself */
    uint64_t page_bytes;    /* of weights and leaves that are in memory for a while, this one */
} ql_plan_node_info;
QL_API ql_status ql_plan_node(const ql_plan * plan, int64_t i, ql_plan_node_info * info);

#ifdef __cplusplus
}
#endif
#endif
