// The engine's C API with arguments that no caller should pass: each is refused with a message, none crashes.
#include "graph/engine_arguments.hpp"
#include "ggml/ops/op.hpp"
#include "ql/dither.h"

#include <climits>
#include <cmath>

namespace ql::test {

std::vector<BadCall> EngineArguments::device_calls() {
    const auto open = [](auto change) {
        return [change] {
            ql_device_options o;
            ql_device_options_init(&o);
            change(o);
            ql_device * device = nullptr;
            const ql_status status = ql_device_open(&o, &device);
            EXPECT_EQ(device, nullptr);
            return status;
        };
    };
    const auto describe = [this](size_t size) {
        return [this, size] {
            auto info = sized<ql_device_info>(size);
            return ql_device_describe(device_, &info);
        };
    };
    static ql_op_bench * op_bench = nullptr;
    const auto bench = [this](const char * op, ql_dtype dtype, int64_t k, int64_t m, int64_t t) {
        return [this, op, dtype, k, m, t] {
            const ql_status status = ql_op_bench_create(device_, op, dtype, k, m, t, &op_bench);
            EXPECT_EQ(op_bench, nullptr);
            return status;
        };
    };
    static ql_op_info op_info;
    op_info.size = sizeof(op_info);
    static ql_backend_info backend;
    static ql_found_device found;
    static ql_plan_info plan_info;
    static ql_memory_info memory_info;
    static ql_plan_node_info node_info;
    static ql_plan * plan = nullptr;
    backend.size = sizeof(backend), found.size = sizeof(found), node_info.size = sizeof(node_info);
    return {
        {"ql_backend_describe", "-1", [] { return ql_backend_describe(-1, &backend); }},
        {"ql_backend_describe", "far too many", [] { return ql_backend_describe(INT64_MAX, &backend); }},
        {"ql_backend_describe", "NULL", [] { return ql_backend_describe(0, nullptr); }},
        {"ql_backend_device", "-1", [] { return ql_backend_device(0, -1, &found); }},
        {"ql_backend_device", "far too many", [] { return ql_backend_device(INT64_MAX, INT64_MAX, &found); }},
        {"ql_backend_device", "NULL", [] { return ql_backend_device(0, 0, nullptr); }},
        {"ql_device_open", "NULL", [] { return ql_device_open(nullptr, nullptr); }},
        {"ql_device_open", "size 0", open([](auto & o) { o.size = 0; })},
        {"ql_device_open", "size -1", open([](auto & o) { o.size = SIZE_MAX; })},
        {"ql_device_open", "no such device", open([](auto & o) { o.name = "tpu"; })},
        {"ql_device_open", "threads -1", open([](auto & o) { o.threads = -1; })},
        {"ql_device_open", "threads INT_MAX", open([](auto & o) { o.threads = INT_MAX; })},
        {"ql_device_open", "compute -1", open([](auto & o) { o.compute = wrong<ql_compute>(-1); })},
        {"ql_device_open", "compute 77", open([](auto & o) { o.compute = wrong<ql_compute>(77); })},
        {"ql_device_describe", "NULL device", [] { return ql_device_describe(nullptr, nullptr); }},
        {"ql_device_describe", "NULL info", [this] { return ql_device_describe(device_, nullptr); }},
        {"ql_device_describe", "size 0", describe(0)},
        {"ql_device_describe", "size -1", describe(SIZE_MAX)},
        {"ql_self_test", "NULL", [] { return ql_self_test(nullptr, 1, nullptr, nullptr, nullptr); }},
        {"ql_op_describe", "-1", [] { return ql_op_describe(-1, &op_info); }},
        {"ql_op_describe", "past the end", [] { return ql_op_describe(ql_op_count(), &op_info); }},
        {"ql_op_describe", "NULL", [] { return ql_op_describe(0, nullptr); }},
        {"ql_op_bench_create", "NULL device",
         [] { return ql_op_bench_create(nullptr, "add", QL_F32, 1, 1, 1, &op_bench); }},
        {"ql_op_bench_create", "NULL bench",
         [this] { return ql_op_bench_create(device_, "add", QL_F32, 1, 1, 1, nullptr); }},
        {"ql_op_bench_create", "NULL name", bench(nullptr, QL_F32, 1, 1, 1)},
        {"ql_op_bench_create", "no such operator", bench("no_op", QL_F32, 1, 1, 1)},
        {"ql_op_bench_create", "type 77", bench("add", wrong<ql_dtype>(77), 1, 1, 1)},
        {"ql_op_bench_create", "a size of 0", bench("add", QL_F32, 1, 0, 1)},
        {"ql_op_bench_create", "a size of INT64_MAX", bench("add", QL_F32, 1, 1, INT64_MAX)},
        {"ql_op_bench_create", "half a block", bench("mul_mat", QL_Q8_0, 16, 1, 1)},
        {"ql_op_bench_create", "half a head", bench("attention", QL_F32, 32, 1, 1)},
        {"ql_op_bench_create", "more than i32 counts", bench("top_k", QL_F32, 1 << 20, 1, 1 << 20)},
        {"ql_plan_create", "NULL graph", [this] { return ql_plan_create(nullptr, device_, &y_, 1, &plan); }},
        {"ql_plan_create", "NULL device", [this] { return ql_plan_create(graph_, nullptr, &y_, 1, &plan); }},
        {"ql_plan_create", "NULL outputs", [this] { return ql_plan_create(graph_, device_, nullptr, 1, &plan); }},
        {"ql_plan_create", "no outputs", [this] { return ql_plan_create(graph_, device_, &y_, 0, &plan); }},
        {"ql_plan_create", "-1 outputs", [this] { return ql_plan_create(graph_, device_, &y_, -1, &plan); }},
        {"ql_plan_create", "NULL plan", [this] { return ql_plan_create(graph_, device_, &y_, 1, nullptr); }},
        {"ql_plan_create_over", "a NULL output",
         [this] {
             ql_tensor * none = nullptr;
             return ql_plan_create_over(graph_, device_, &none, 1, plan_, &plan);
         }},
        {"ql_plan_create_on", "NULL devices",
         [this] { return ql_plan_create_on(graph_, nullptr, 1, &y_, 1, nullptr, &plan); }},
        {"ql_plan_create_on", "no devices",
         [this] { return ql_plan_create_on(graph_, &device_, 0, &y_, 1, nullptr, &plan); }},
        {"ql_graph_set_place", "NULL", [] { return ql_graph_set_place(nullptr, 0); }},
        {"ql_graph_set_place", "-1", [this] { return ql_graph_set_place(graph_, -1); }},
        {"ql_graph_page_out", "NULL graph", [] { return ql_graph_page_out(nullptr, nullptr, 0, "."); }},
        {"ql_graph_page_out", "NULL leaves", [this] { return ql_graph_page_out(graph_, nullptr, 1, "."); }},
        {"ql_graph_page_out", "-1 leaves", [this] { return ql_graph_page_out(graph_, &y_, -1, "."); }},
        {"ql_graph_page_out", "NULL folder", [this] { return ql_graph_page_out(graph_, &y_, 1, nullptr); }},
        {"ql_graph_page_out", "a result", [this] { return ql_graph_page_out(graph_, &y_, 1, "."); }},
        {"ql_plan_create_with", "NULL graph",
         [this] { return ql_plan_create_with(nullptr, &device_, 1, &y_, 1, nullptr, &plan); }},
        {"ql_plan_create_with", "-1 lanes",
         [this] {
             const ql_plan_options options{sizeof(options), nullptr, -1};
             return ql_plan_create_with(graph_, &device_, 1, &y_, 1, &options, &plan);
         }},
        {"ql_plan_create_with", "size 0",
         [this] {
             const ql_plan_options options{};
             return ql_plan_create_with(graph_, &device_, 1, &y_, 1, &options, &plan);
         }},
        {"ql_plan_least_memory", "NULL bytes",
         [this] { return ql_plan_least_memory(graph_, &device_, 1, &y_, 1, nullptr, nullptr); }},
        {"ql_plan_run_lanes", "NULL", [] { return ql_plan_run_lanes(nullptr, 1); }},
        {"ql_plan_run_lanes", "2 of 1", [this] { return ql_plan_run_lanes(plan_, 2); }},
        {"ql_plan_write_lane", "NULL plan", [this] { return ql_plan_write_lane(nullptr, 0, x_, &n_, 0, 4); }},
        {"ql_plan_write_lane", "no input", [this] { return ql_plan_write_lane(plan_, 0, y_, &n_, 0, 4); }},
        {"ql_plan_read_lane", "NULL target", [this] { return ql_plan_read_lane(plan_, 0, y_, nullptr, 0, 4); }},
        {"ql_plan_read_lane", "lane 1 of 1", [this] { return ql_plan_read_lane(plan_, 1, y_, &n_, 0, 4); }},
        {"ql_plan_run", "NULL", [] { return ql_plan_run(nullptr); }},
        {"ql_plan_read", "NULL plan", [this] { return ql_plan_read(nullptr, y_, &n_, 0, 4); }},
        {"ql_plan_read", "NULL output", [this] { return ql_plan_read(plan_, nullptr, &n_, 0, 4); }},
        {"ql_plan_read", "NULL target", [this] { return ql_plan_read(plan_, y_, nullptr, 0, 4); }},
        {"ql_plan_read", "far too many bytes", [this] { return ql_plan_read(plan_, y_, &n_, 1, SIZE_MAX); }},
        {"ql_plan_read", "no output", [this] { return ql_plan_read(plan_, x_, &n_, 0, 4); }},
        {"ql_plan_describe", "NULL plan", [] { return ql_plan_describe(nullptr, &plan_info); }},
        {"ql_plan_describe", "size 0", [this] { return ql_plan_describe(plan_, &plan_info); }},
        {"ql_plans_memory", "NULL plans", [] { return ql_plans_memory(nullptr, 1, nullptr, &memory_info); }},
        {"ql_plans_memory", "a NULL plan",
         [] {
             const ql_plan * none = nullptr;
             return ql_plans_memory(&none, 1, nullptr, &memory_info);
         }},
        {"ql_plans_memory", "size 0",
         [this] {
             const ql_plan * one = plan_;
             return ql_plans_memory(&one, 1, nullptr, &memory_info);
         }},
        {"ql_plan_set_profiling", "NULL", [] { return ql_plan_set_profiling(nullptr, 1); }},
        {"ql_plan_node", "NULL plan", [] { return ql_plan_node(nullptr, 0, &node_info); }},
        {"ql_plan_node", "-1", [this] { return ql_plan_node(plan_, -1, &node_info); }},
        {"ql_plan_node", "past the end", [this] { return ql_plan_node(plan_, INT64_MAX, &node_info); }},
        {"ql_plan_node", "NULL info", [this] { return ql_plan_node(plan_, 0, nullptr); }},
        {"ql_tensor_write", "NULL tensor", [] { return ql_tensor_write(nullptr, "", 0, 1); }},
        {"ql_tensor_write", "NULL source", [this] { return ql_tensor_write(x_, nullptr, 0, 4); }},
        {"ql_tensor_write", "an offset past the end", [this] { return ql_tensor_write(x_, "", SIZE_MAX, 1); }},
        {"ql_tensor_write", "far too many bytes", [this] { return ql_tensor_write(x_, "", 4, SIZE_MAX); }},
        {"ql_tensor_write", "a result", [this] { return ql_tensor_write(y_, "abcd", 0, 4); }},
        {"ql_tensor_read", "NULL tensor", [this] { return ql_tensor_read(nullptr, &n_, 0, 4); }},
        {"ql_tensor_read", "NULL target", [this] { return ql_tensor_read(x_, nullptr, 0, 4); }},
        {"ql_tensor_read", "far too many bytes", [this] { return ql_tensor_read(x_, &n_, 1, SIZE_MAX); }},
    };
}

std::vector<BadCall> EngineArguments::graph_calls() {
    using G = ql_graph *;
    using T = ql_tensor *;
    static const int64_t negative[] = {-4, 2}, huge[] = {INT64_MAX, INT64_MAX}, zero[] = {0, 2};
    static const int twice[] = {0, 1, 1, 3}, beyond[] = {0, 1, 2, 7};
    return {
        {"ql_graph_create", "NULL", [] { return ql_graph_create(nullptr); }},
        {"ql_graph_status", "NULL", [] { return ql_graph_status(nullptr); }},
        {"ql_input", "type 77", building([](G g, T, T) { return ql_input(g, "a", wrong<ql_dtype>(77), 2, kShape); })},
        {"ql_input", "0 dimensions", building([](G g, T, T) { return ql_input(g, "a", QL_F32, 0, kShape); })},
        {"ql_input", "5 dimensions", building([](G g, T, T) { return ql_input(g, "a", QL_F32, 5, kShape); })},
        {"ql_input", "NULL shape", building([](G g, T, T) { return ql_input(g, "a", QL_F32, 2, nullptr); })},
        {"ql_input", "negative sizes", building([](G g, T, T) { return ql_input(g, "a", QL_F32, 2, negative); })},
        {"ql_input", "no elements", building([](G g, T, T) { return ql_input(g, "a", QL_F32, 2, zero); })},
        {"ql_input", "huge sizes", building([](G g, T, T) { return ql_input(g, nullptr, QL_F32, 2, huge); })},
        {"ql_weight", "NULL data", building([](G g, T, T) { return ql_weight(g, "w", QL_F32, 2, kShape, nullptr); })},
        {"ql_weight", "type -1",
         building([](G g, T, T) { return ql_weight(g, "w", wrong<ql_dtype>(-1), 2, kShape, kShape); })},
        {"ql_param", "huge sizes", building([](G g, T, T) { return ql_param(g, "p", 2, huge); })},
        {"ql_state", "type 77", building([](G g, T, T) { return ql_state(g, "s", wrong<ql_dtype>(77), 2, kShape); })},
        {"ql_add", "NULL", building([](G g, T x, T) { return ql_add(g, x, nullptr); })},
        {"ql_reshape", "-1 dimensions", building([](G g, T x, T) { return ql_reshape(g, x, -1, kShape); })},
        {"ql_reshape", "huge sizes", building([](G g, T x, T) { return ql_reshape(g, x, 2, huge); })},
        {"ql_get_rows", "rows by numbers of f32", building([](G g, T x, T) { return ql_get_rows(g, x, x); })},
        {"ql_scale", "factor NaN", building([](G g, T x, T) { return ql_scale(g, x, NAN, 0); })},
        {"ql_scale", "offset inf", building([](G g, T x, T) { return ql_scale(g, x, 1, INFINITY); })},
        {"ql_unary", "kind 77", building([](G g, T x, T) { return ql_unary(g, x, wrong<ql_unary_kind>(77)); })},
        {"ql_unary", "kind -1", building([](G g, T x, T) { return ql_unary(g, x, wrong<ql_unary_kind>(-1)); })},
        {"ql_unary", "the number of kinds", building([](G g, T x, T) { return ql_unary(g, x, QL_UNARY_N); })},
        {"ql_clamp", "NULL", building([](G g, T, T) { return ql_clamp(g, nullptr, 0, 1); })},
        {"ql_clamp", "from 1 to 0", building([](G g, T x, T) { return ql_clamp(g, x, 1, 0); })},
        {"ql_clamp", "to NaN", building([](G g, T x, T) { return ql_clamp(g, x, 0, NAN); })},
        {"ql_soft_cap", "cap 0", building([](G g, T x, T) { return ql_soft_cap(g, x, 0); })},
        {"ql_soft_cap", "cap inf", building([](G g, T x, T) { return ql_soft_cap(g, x, INFINITY); })},
        {"ql_expand", "huge sizes", building([](G g, T x, T) { return ql_expand(g, x, 2, huge); })},
        {"ql_expand", "negative sizes", building([](G g, T x, T) { return ql_expand(g, x, 2, negative); })},
        {"ql_expand", "5 dimensions", building([](G g, T x, T) { return ql_expand(g, x, 5, kShape); })},
        {"ql_slice", "dimension 4", building([](G g, T x, T) { return ql_slice(g, x, 4, 0, 1); })},
        {"ql_slice", "dimension -1", building([](G g, T x, T) { return ql_slice(g, x, -1, 0, 1); })},
        {"ql_slice", "past the end", building([](G g, T x, T) { return ql_slice(g, x, 0, 1, 4); })},
        {"ql_slice", "from INT64_MAX", building([](G g, T x, T) { return ql_slice(g, x, 0, INT64_MAX, 1); })},
        {"ql_slice", "nothing", building([](G g, T x, T) { return ql_slice(g, x, 0, 0, 0); })},
        {"ql_pad", "dimension 4", building([](G g, T x, T) { return ql_pad(g, x, 4, 0, 1); })},
        {"ql_pad", "-1 before", building([](G g, T x, T) { return ql_pad(g, x, 0, -1, 1); })},
        {"ql_pad", "INT64_MAX on both sides",
         building([](G g, T x, T) { return ql_pad(g, x, 0, INT64_MAX, INT64_MAX); })},
        {"ql_concat", "dimension INT_MAX", building([](G g, T x, T) { return ql_concat(g, x, x, INT_MAX); })},
        {"ql_concat", "two types", building([](G g, T x, T ids) { return ql_concat(g, ids, x, 0); })},
        {"ql_permute", "NULL order", building([](G g, T x, T) { return ql_permute(g, x, nullptr); })},
        {"ql_permute", "a dimension twice", building([](G g, T x, T) { return ql_permute(g, x, twice); })},
        {"ql_permute", "dimension 7", building([](G g, T x, T) { return ql_permute(g, x, beyond); })},
        {"ql_gather_rows", "rows by numbers of f32", building([](G g, T x, T) { return ql_gather_rows(g, x, x); })},
        {"ql_scatter_add_rows", "INT64_MAX rows", building([](G g, T x, T) {
             const int64_t two = 2;
             return ql_scatter_add_rows(g, x, ql_input(g, "ids", QL_I32, 1, &two), INT64_MAX);
         })},
        {"ql_top_k", "k 0", building([](G g, T x, T) { return ql_top_k(g, x, 0, nullptr); })},
        {"ql_top_k", "k INT64_MAX", building([](G g, T x, T) { return ql_top_k(g, x, INT64_MAX, nullptr); })},
        {"ql_layer_norm", "eps NaN", building([](G g, T x, T) { return ql_layer_norm(g, x, nullptr, nullptr, NAN); })},
        {"ql_rms_norm", "eps NaN",
         building([](G g, T x, T) { return ql_rms_norm(g, x, ql_param(g, "w", 1, kShape), NAN); })},
        {"ql_rms_norm", "eps -1",
         building([](G g, T x, T) { return ql_rms_norm(g, x, ql_param(g, "w", 1, kShape), -1); })},
        {"ql_mul_mat", "NULL", building([](G g, T x, T) { return ql_mul_mat(g, nullptr, x); })},
        {"ql_mul_mat_t", "NULL", building([](G g, T x, T) { return ql_mul_mat_t(g, x, nullptr); })},
        {"ql_outer", "whole numbers", building([](G g, T x, T ids) { return ql_outer(g, x, ids); })},
        {"ql_lora_merge", "NULL", building([](G g, T x, T) { return ql_lora_merge(g, x, x, nullptr, nullptr, 1); })},
        {"ql_lora_merge_dithered", "NULL",
         building([](G g, T x, T) { return ql_lora_merge_dithered(g, x, x, nullptr, nullptr, 1, 7); })},
        {"ql_mul_mat_merged", "NULL",
         building([](G g, T x, T) { return ql_mul_mat_merged(g, x, x, nullptr, nullptr, 1); })},
        {"ql_lora", "NULL", building([](G g, T x, T) { return ql_lora(g, x, x, nullptr, nullptr, 1); })},
        {"ql_lora_mix", "NULL",
         building([](G g, T x, T) { return ql_lora_mix(g, x, x, x, 1, nullptr, nullptr, nullptr); })},
        {"ql_lora_mix", "n INT_MAX", building([](G g, T x, T) {
             const int adapter = 0;
             return ql_lora_mix(g, x, x, x, INT_MAX, &adapter, &x, &x);
         })},
        {"ql_lora_mix", "adapter 64", building([](G g, T x, T) {
             const int adapter = 64;
             return ql_lora_mix(g, x, x, x, 1, &adapter, &x, &x);
         })},
        {"ql_lora_mix", "an adapter twice", building([](G g, T x, T) {
             const int adapter[] = {1, 1};
             const T both[] = {x, x};
             return ql_lora_mix(g, x, x, x, 2, adapter, both, both);
         })},
        {"ql_uniform_noise", "key for an amplitude",
         building([](G g, T x, T ids) { return ql_uniform_noise(g, x, ids, ids, 0); })},
        {"ql_dropout", "p 1", building([](G g, T x, T ids) { return ql_dropout(g, x, ids, 1, 0); })},
        {"ql_dropout", "p NaN", building([](G g, T x, T ids) { return ql_dropout(g, x, ids, NAN, 0); })},
        {"ql_rope_table", "n_rot -2",
         building([](G g, T, T ids) { return ql_rope_table(g, ids, nullptr, -2, 10000, 1, 1); })},
        {"ql_rope_table", "n_rot INT_MAX",
         building([](G g, T, T ids) { return ql_rope_table(g, ids, nullptr, INT_MAX, 10000, 1, 1); })},
        {"ql_rope", "mode 77", building([](G g, T x, T ids) {
             T table = ql_rope_table(g, ids, nullptr, 4, 10000, 1, 1);
             return ql_rope(g, x, table, wrong<ql_rope_mode>(77));
         })},
        {"ql_attention", "NULL", building([](G g, T x, T) { return ql_attention(g, x, x, x, nullptr, 1); })},
        {"ql_attention_paged", "NULL",
         building([](G g, T x, T) { return ql_attention_paged(g, x, x, x, x, nullptr, 1); })},
        {"ql_kv_store", "NULL", building([](G g, T x, T) { return ql_kv_store(g, nullptr, x, nullptr); })},
        {"ql_swiglu", "NULL", building([](G g, T x, T) { return ql_swiglu(g, nullptr, x); })},
        {"ql_attention_capped", "NULL",
         building([](G g, T x, T) { return ql_attention_capped(g, x, x, x, nullptr, nullptr, 1, 50); })},
        {"ql_attention_capped", "the soft cap is 0",
         building([](G g, T x, T) { return ql_attention_capped(g, x, x, x, x, nullptr, 1, 0); })},
        {"ql_head_loss_capped", "NULL",
         building([](G g, T x, T) { return ql_head_loss_capped(g, x, nullptr, nullptr, nullptr, 30, nullptr); })},
        {"ql_head_loss", "NULL",
         building([](G g, T x, T) { return ql_head_loss(g, x, nullptr, nullptr, nullptr, nullptr); })},
        {"ql_head_loss_rows", "rows or own is NULL",
         building([](G g, T x, T) { return ql_head_loss_rows(g, x, x, x, x, x, nullptr, 0, nullptr); })},
        {"ql_accumulate", "no state", building([](G g, T x, T) { return ql_accumulate(g, x, x); })},
        {"ql_zero", "no state", building([](G g, T x, T) { return ql_zero(g, x); })},
        {"ql_global_norm", "-1 tensors", building([](G g, T x, T) { return ql_global_norm(g, &x, -1); })},
        {"ql_global_norm", "NULL", building([](G g, T, T) { return ql_global_norm(g, nullptr, 1); })},
        {"ql_adamw", "NULL",
         building([](G g, T x, T) { return ql_adamw(g, x, x, nullptr, nullptr, nullptr, nullptr, 1); })},
        {"ql_adamw8bit", "NULL", building([](G g, T x, T) {
             return ql_adamw8bit(g, x, x, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, 1);
         })},
        {"ql_lion", "NULL", building([](G g, T x, T) { return ql_lion(g, x, x, nullptr, nullptr, nullptr, 1); })},
        {"ql_lion8bit", "NULL",
         building([](G g, T x, T) { return ql_lion8bit(g, x, x, nullptr, nullptr, nullptr, nullptr, 1); })},
        {"ql_sgd", "NULL", building([](G g, T x, T) { return ql_sgd(g, x, x, nullptr, nullptr, nullptr, 1); })},
        {"ql_gradients", "NULL", [] { return ql_gradients(nullptr, nullptr, nullptr, 1, QL_RECOMPUTE_NONE, nullptr); }},
        {"ql_gradients", "NULL loss",
         [this] {
             ql_tensor * gradient = nullptr;
             return ql_gradients(graph_, nullptr, &x_, 1, QL_RECOMPUTE_NONE, &gradient);
         }},
        {"ql_gradients", "recompute 77",
         [this] {
             ql_tensor * gradient = nullptr;
             return ql_gradients(graph_, y_, &x_, 1, wrong<ql_recompute>(77), &gradient);
         }},
    };
}

/// Every builder of the table, with NULL for every tensor and 0 for every number.
std::vector<BadCall> EngineArguments::builder_calls() {
    std::vector<BadCall> calls;
    for (const OpDef * def : kOps)
        if (def->build_empty)
            calls.push_back(
                {def->name.data(), "nothing but a graph", building([def](ql_graph * g, ql_tensor *, ql_tensor *) {
                     EXPECT_EQ(def->build_empty(nullptr), nullptr) << def->name;
                     return def->build_empty(g);
                 })});
    return calls;
}

std::vector<NullCall> EngineArguments::null_calls() {
    return {
        {"ql_device_close", [] { return ql_device_close(nullptr), true; }},
        {"ql_device_options_init", [] { return ql_device_options_init(nullptr), true; }},
        {"ql_op_bench_free", [] { return ql_op_bench_free(nullptr), true; }},
        {"ql_op_bench_plan", [] { return ql_op_bench_plan(nullptr) == nullptr; }},
        {"ql_os_spill_close", [] { return ql_os_spill_close(nullptr), true; }},
        {"ql_plan_free", [] { return ql_plan_free(nullptr), true; }},
        {"ql_graph_free", [] { return ql_graph_free(nullptr), true; }},
        {"ql_graph_n_nodes", [] { return ql_graph_n_nodes(nullptr) == 0; }},
        {"ql_add", [] { return ql_add(nullptr, nullptr, nullptr) == nullptr; }},
        {"ql_input", [] { return ql_input(nullptr, nullptr, QL_F32, 1, nullptr) == nullptr; }},
        {"ql_tensor_bytes", [] { return ql_tensor_bytes(nullptr) == 0; }},
        {"ql_tensor_dtype", [] { return ql_tensor_dtype(nullptr) == QL_F32; }},
        {"ql_tensor_elements", [] { return ql_tensor_elements(nullptr) == 0; }},
        {"ql_tensor_name", [] { return *ql_tensor_name(nullptr) == '\0'; }},
        {"ql_tensor_ne", [this] { return ql_tensor_ne(nullptr, 0) == 0 && ql_tensor_ne(x_, -1) == 0; }},
        {"ql_tensor_ne", [this] { return ql_tensor_ne(x_, INT_MAX) == 1; }},
        {"ql_tensor_set_name", [] { return ql_tensor_set_name(nullptr, "a") == nullptr; }},
        {"ql_dtype_name", [] { return ql_dtype_name(wrong<ql_dtype>(77)) == nullptr; }},
        {"ql_dtype_block_length", [] { return ql_dtype_block_length(wrong<ql_dtype>(-1)) == 0; }},
        {"ql_dtype_can_dither", [] { return ql_dtype_can_dither(wrong<ql_dtype>(77)) == 0; }},
        {"ql_dtype_can_encode", [] { return ql_dtype_can_encode(wrong<ql_dtype>(77)) == 0; }},
        {"ql_dtype_can_search", [] { return ql_dtype_can_search(wrong<ql_dtype>(77)) == 0; }},
        {"ql_dtype_is_weight", [] { return ql_dtype_is_weight(wrong<ql_dtype>(77)) == 0; }},
        {"ql_dtype_file_type", [] { return ql_dtype_file_type(wrong<ql_dtype>(77)) == -1; }},
        {"ql_dtype_bytes", [] { return ql_dtype_bytes(QL_F32, INT64_MAX) == 0 && ql_dtype_bytes(QL_F32, -1) == 0; }},
        {"ql_gguf_close", [] { return ql_gguf_close(nullptr), true; }},
        {"ql_gguf_forget", [this] { return ql_gguf_forget(file_, this, SIZE_MAX), true; }},
        {"ql_gguf_n_keys", [] { return ql_gguf_n_keys(nullptr) == 0; }},
        {"ql_gguf_key",
         [this] { return !ql_gguf_key(file_, -1) && !ql_gguf_key(file_, 1) && !ql_gguf_key(nullptr, 0); }},
        {"ql_gguf_has_key", [this] { return ql_gguf_has_key(file_, nullptr) == 0; }},
        {"ql_gguf_n_tensors", [] { return ql_gguf_n_tensors(nullptr) == 0; }},
        {"ql_gguf_writer_free", [] { return ql_gguf_writer_free(nullptr), true; }},
        {"ql_gguf_writer_size", [] { return ql_gguf_writer_size(nullptr) == 0; }},
        {"ql_os_free", [] { return ql_os_free(nullptr), true; }},
        {"ql_os_unmap_file", [] { return ql_os_unmap_file(nullptr), true; }},
        {"ql_os_remove_temporaries", [] { return ql_os_remove_temporaries(), true; }},
        {"ql_os_mapped_path", [] { return ql_os_mapped_path(nullptr) == nullptr; }},
        {"ql_os_journal_close", [] { return ql_os_journal_close(nullptr), true; }},
        {"ql_os_unlock_file", [] { return ql_os_unlock_file(nullptr), true; }},
        {"ql_os_rss_without", [] { return ql_os_rss_without(nullptr, 3) > 0 && ql_os_rss_without(nullptr, -3) > 0; }},
        {"ql_os_is_terminal", [] { return ql_os_is_terminal(-1, nullptr) == 0; }},
        {"ql_os_catch_interrupt", [] { return ql_os_catch_interrupt(nullptr), true; }},
        {"ql_set_error", [] { return ql_set_error(QL_IO, nullptr) == QL_IO && *ql_error_message() == '\0'; }},
        {"ql_status_name", [] { return std::string(ql_status_name(wrong<ql_status>(77))) == "unknown status"; }},
    };
}

TEST_F(EngineArguments, WrongOnesAreRefusedWithAMessage) {
    expect_refused(all_calls());
}

TEST_F(EngineArguments, NothingHappensToNull) {
    expect_nothing(null_calls());
}

TEST_F(EngineArguments, OfEveryFunctionAreTried) {
    expect_all_tried(QL_SOURCE_DIR "/tests/abi/exports-ql.txt", all_calls(), null_calls(),
                     {"ql_backend_count", "ql_dtype_count", "ql_error_message", "ql_op_count", "ql_os_memory",
                      "ql_os_available_memory", "ql_os_open_standard_streams", "ql_os_peak_rss", "ql_os_physical_cores",
                      "ql_os_stack_room", "ql_os_rss", "ql_os_seconds", "ql_version"});
}

TEST_F(EngineArguments, TheListOfTypesInAMessageIsTheTables) {
    EXPECT_EQ(ql_encode(QL_Q5_1, nullptr, 0, nullptr), QL_UNSUPPORTED);
    const std::string message = ql_error_message();
    for (int64_t i = 0; i < ql_dtype_count(); ++i) {
        ql_dtype dtype;
        ASSERT_EQ(ql_dtype_at(i, &dtype), QL_OK);
        if (dtype == QL_Q5_1) continue;
        EXPECT_EQ(message.find(std::string(" ") + ql_dtype_name(dtype)) != message.npos,
                  ql_dtype_can_encode(dtype) != 0)
            << ql_dtype_name(dtype) << " in " << message;
    }
}

}  // namespace ql::test
