// extern "C": ql/plan.h
#include "ggml/plan/plan.hpp"

#include <algorithm>

#include "common/guarded.hpp"
#include "common/structs.hpp"

using ql::error;
using ql::Status;

namespace {

constexpr int kMostLanes = 4096;

/// What a plan is to be made of, as a caller gave it.
struct Wanted {
    ql_graph * graph;
    ql_device * const * devices;
    int n_devices;
    ql_tensor * const * outputs;
    int n_outputs;
    const void * result;
};

ql::Result<ql_plan_options> checked_options(const Wanted & w, const ql_plan_options * options) {
    if (!w.graph || !w.devices || !w.result || (w.n_outputs > 0 && !w.outputs) || w.n_outputs < 0)
        return error(QL_INVALID_ARGUMENT, "ql_plan_create: an argument is NULL");
    if (w.n_devices < 1) return error(QL_INVALID_ARGUMENT, "ql_plan_create: at least one device is needed");
    const std::span places(w.devices, static_cast<size_t>(w.n_devices));
    if (std::find(places.begin(), places.end(), nullptr) != places.end())
        return error(QL_INVALID_ARGUMENT, "ql_plan_create: a device is NULL");
    QL_ASSIGN(const ql_plan_options o, ql::take_struct(options, ql_plan_options{}));
    if (o.recomputed < 0)
        return error(QL_INVALID_ARGUMENT, "ql_plan_create: recomputed is %d, it must be 0 or more", o.recomputed);
    if (o.lanes < 0 || o.lanes > kMostLanes)
        return error(QL_INVALID_ARGUMENT, "ql_plan_create: %d lanes, 0 to %d are possible", o.lanes, kMostLanes);
    return o;
}

}  // namespace

extern "C" {

ql_status ql_plan_create(ql_graph * graph, ql_device * device, ql_tensor * const * outputs, int n_outputs,
                         ql_plan ** plan) {
    return ql_plan_create_over(graph, device, outputs, n_outputs, nullptr, plan);
}

ql_status ql_plan_create_over(ql_graph * graph, ql_device * device, ql_tensor * const * outputs, int n_outputs,
                              const ql_plan * over, ql_plan ** plan) {
    return ql_plan_create_on(graph, &device, 1, outputs, n_outputs, over, plan);
}

ql_status ql_plan_create_on(ql_graph * graph, ql_device * const * devices, int n_devices, ql_tensor * const * outputs,
                            int n_outputs, const ql_plan * over, ql_plan ** plan) {
    ql_plan_options options{};
    options.size = sizeof(options);
    options.over = over;
    return ql_plan_create_with(graph, devices, n_devices, outputs, n_outputs, &options, plan);
}

ql_status ql_plan_create_with(ql_graph * graph, ql_device * const * devices, int n_devices, ql_tensor * const * outputs,
                              int n_outputs, const ql_plan_options * options, ql_plan ** plan) {
    return ql::guarded([&]() -> Status {
        QL_ASSIGN(const ql_plan_options o,
                  checked_options({graph, devices, n_devices, outputs, n_outputs, plan}, options));
        QL_ASSIGN(auto made, ql_plan::create(*graph, {devices, static_cast<size_t>(n_devices)},
                                             {outputs, static_cast<size_t>(n_outputs)}, o));
        *plan = made.release();
        return {};
    });
}

ql_status ql_plan_least_memory(ql_graph * graph, ql_device * const * devices, int n_devices,
                               ql_tensor * const * outputs, int n_outputs, const ql_plan_options * options,
                               uint64_t * bytes) {
    return ql::guarded([&]() -> Status {
        QL_ASSIGN(const ql_plan_options o,
                  checked_options({graph, devices, n_devices, outputs, n_outputs, bytes}, options));
        QL_ASSIGN(*bytes, ql_plan::least_memory(*graph, {devices, static_cast<size_t>(n_devices)},
                                                {outputs, static_cast<size_t>(n_outputs)}, o));
        return {};
    });
}

ql_status ql_graph_page_out(ql_graph * graph, ql_tensor * const * leaves, int n, const char * folder) {
    return ql::guarded([&]() -> Status {
        if (!graph || (!leaves && n) || !folder || n < 0)
            return error(QL_INVALID_ARGUMENT, "ql_graph_page_out: an argument is NULL, or n is negative");
        return graph->page_out({leaves, static_cast<size_t>(n)}, folder);
    });
}

void ql_plan_free(ql_plan * plan) {
    delete plan;
}

ql_status ql_plan_run(ql_plan * plan) {
    return ql::guarded([&]() -> Status {
        if (!plan) return error(QL_INVALID_ARGUMENT, "ql_plan_run: plan is NULL");
        return plan->run();
    });
}

ql_status ql_plan_read(const ql_plan * plan, const ql_tensor * output, void * dst, size_t offset, size_t bytes) {
    return ql::guarded([&]() -> Status {
        if (!plan || !output || (!dst && bytes)) return error(QL_INVALID_ARGUMENT, "ql_plan_read: an argument is NULL");
        return plan->read(*output, dst, offset, bytes);
    });
}

ql_status ql_plan_run_lanes(ql_plan * plan, int n) {
    return ql::guarded([&]() -> Status {
        if (!plan) return error(QL_INVALID_ARGUMENT, "ql_plan_run_lanes: plan is NULL");
        return plan->run(n);
    });
}

ql_status ql_plan_write_lane(ql_plan * plan, int lane, ql_tensor * input, const void * src, size_t offset,
                             size_t bytes) {
    return ql::guarded([&]() -> Status {
        if (!plan || !input || (!src && bytes))
            return error(QL_INVALID_ARGUMENT, "ql_plan_write_lane: an argument is NULL");
        return plan->write(*input, src, offset, bytes, lane);
    });
}

ql_status ql_plan_read_lane(const ql_plan * plan, int lane, const ql_tensor * output, void * dst, size_t offset,
                            size_t bytes) {
    return ql::guarded([&]() -> Status {
        if (!plan || !output || (!dst && bytes))
            return error(QL_INVALID_ARGUMENT, "ql_plan_read_lane: an argument is NULL");
        return plan->read(*output, dst, offset, bytes, lane);
    });
}

ql_status ql_plan_describe(const ql_plan * plan, ql_plan_info * info) {
    return ql::guarded([&]() -> Status {
        if (!plan) return error(QL_INVALID_ARGUMENT, "ql_plan_describe: plan is NULL");
        return ql::give_struct(info, plan->describe());
    });
}

ql_status ql_plans_memory(const ql_plan * const * plans, int n, const ql_device * device, ql_memory_info * info) {
    return ql::guarded([&]() -> Status {
        if (!plans || n < 0) return error(QL_INVALID_ARGUMENT, "ql_plans_memory: plans is NULL, or n negative");
        std::set<std::pair<const ql_tensor *, const ql_device *>> counted;
        ql_memory_info sum{};
        sum.size = sizeof(sum);
        uint64_t rows = 0;
        for (const ql_plan * plan : std::span(plans, static_cast<size_t>(n))) {
            if (!plan) return error(QL_INVALID_ARGUMENT, "ql_plans_memory: a plan is NULL");
            plan->add_memory(device, counted, sum);
            rows = std::max<uint64_t>(rows, plan->row_bytes());  // plans of a device run in turn
        }
        sum.pages += rows;
        sum.total += rows;
        return ql::give_struct(info, sum);
    });
}

ql_status ql_plan_set_profiling(ql_plan * plan, int on) {
    return ql::guarded([&]() -> Status {
        if (!plan) return error(QL_INVALID_ARGUMENT, "ql_plan_set_profiling: plan is NULL");
        plan->set_profiling(on != 0);
        return {};
    });
}

ql_status ql_plan_node(const ql_plan * plan, int64_t i, ql_plan_node_info * info) {
    return ql::guarded([&]() -> Status {
        if (!plan || i < 0 || i >= static_cast<int64_t>(plan->steps().size()))
            return error(QL_INVALID_ARGUMENT, "ql_plan_node: no node %lld", static_cast<long long>(i));
        const ql::Step & s = plan->steps()[static_cast<size_t>(i)];
        double bytes = 0;
        if (!s.node->def->view) {  // which moves nothing
            for (const ql::Operand * t : s.node->src)
                if (t) bytes += static_cast<double>(t->bytes());
            for (const ql::Operand * t : s.node->out) bytes += static_cast<double>(t->bytes());
        }
        const ql::PlanNode & node = *plan->list().nodes[static_cast<size_t>(i)];
        const ql::Plan::Live live = plan->live(static_cast<size_t>(i));
        return ql::give_struct(info, {sizeof(*info), s.node->def->name.data(), s.node->out[0]->name.c_str(), s.seconds,
                                      ql::flops_of(*s.node), s.runs, bytes, node.device->name.c_str(), node.moved,
                                      node.place, node.is_backward, live.results, live.scratch, live.pages});
    });
}

}  // extern "C"
