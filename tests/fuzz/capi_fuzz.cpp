// A machine that calls the engine's C API as its input says: graphs of good and bad arguments, gradients, plans, runs
// of small plans, reads and writes in and out of range. Each call may fail with a message; none may do harm. What the
// headers ask of the caller is kept: handles are live, weights have their bytes, everything is freed in order.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "fuzz/capi_input.hpp"
#include "fuzz/fuzz.hpp"
#include "ql/ql.h"

namespace {

using namespace ql::fuzz;

constexpr size_t kWeightBytes = size_t{1} << 16;
constexpr double kMostFlops = 1e7;  // of a plan that is run: more would only take time
constexpr uint64_t kMostBytes = 32 << 20;

class Machine {
  public:
    Machine(const uint8_t * data, size_t size) : in_(data, size) {
        static constexpr const char * kSets[] = {"scalar", "baseline", "avx2"};
        ::setenv("QL_ISA", in_.one_of(kSets), 1);
        ql_device_options options;
        ql_device_options_init(&options);
        options.threads = 1 + static_cast<int>(in_.pick(2));
        if (refused(ql_device_open(&options, &device_))) {  // an instruction set that this machine does not have
            ::setenv("QL_ISA", "", 1);
            must(ql_device_open(&options, &device_), "ql_device_open");
        }
        for (Side & side : sides_) must(ql_graph_create(&side.graph), "ql_graph_create");
    }
    ~Machine() {
        for (Side & side : sides_) {
            for (ql_plan * plan : side.plans) ql_plan_free(plan);
            ql_graph_free(side.graph);
        }
        ql_device_close(device_);
    }
    Machine(const Machine &) = delete;
    Machine & operator=(const Machine &) = delete;

    void run() {
        for (int calls = 0; !in_.ended() && calls < 64; ++calls) (this->*kSteps[in_.pick(std::size(kSteps))])();
    }

  private:
    /// One of two graphs, so that one graph meets the other's tensors.
    struct Side {
        ql_graph * graph = nullptr;
        std::vector<ql_tensor *> tensors;
        std::vector<ql_plan *> plans;
        bool runs = true;  // no weight of the graph is larger than its bytes
    };
    struct Sizes {
        int n_dims;
        int64_t ne[5];
        const int64_t * pointer;
    };

    Side & side() { return sides_[in_.pick(8) == 7]; }
    ql_graph * graph(Side & s) { return in_.pick(64) == 63 ? nullptr : s.graph; }
    /// One of the side's tensors, sometimes one of the other side's, or NULL.
    ql_tensor * tensor(Side & s) {
        const uint8_t at = in_.byte();
        const std::vector<ql_tensor *> & from = at >= 250 ? sides_[&s == &sides_[0]].tensors : s.tensors;
        return from.empty() || at == 249 ? nullptr : from[from.size() - 1 - at % from.size()];
    }
    Sizes sizes() {
        Sizes z{static_cast<int>(in_.pick(6)), {}, nullptr};
        for (int64_t & ne : z.ne) ne = 1;
        for (int i = 0; i < std::min(z.n_dims, 5); ++i) z.ne[i] = in_.size();
        z.pointer = z.n_dims == 0 ? nullptr : z.ne;
        return z;
    }
    /// Keeps a builder's result; NULL must leave an error in the graph.
    void keep(Side & s, ql_graph * g, ql_tensor * t) {
        if (t) return s.tensors.push_back(t);
        if (g) require(refused(ql_graph_status(g)), "a builder failed, and the graph has no error");
    }
    static bool is_sound(const ql_tensor * t) {
        return ql_tensor_elements(t) >= 1 && ql_tensor_bytes(t) >= 1 && ql_tensor_name(t) != nullptr;
    }

    void input() {
        Side & s = side();
        ql_graph * g = graph(s);
        const ql_dtype type = in_.dtype();
        const Sizes z = sizes();
        keep(s, g, ql_input(g, in_.pick(8) ? "input" : nullptr, type, z.n_dims, z.pointer));
    }
    void weight() {
        Side & s = side();
        ql_graph * g = graph(s);
        alignas(64) static const std::array<uint8_t, kWeightBytes> bytes = [] {
            std::array<uint8_t, kWeightBytes> made{};
            for (size_t i = 0; i < made.size(); ++i) made[i] = static_cast<uint8_t>(i * 167 >> 3);
            return made;
        }();
        const ql_dtype type = in_.dtype();
        const Sizes z = sizes();
        ql_tensor * t = ql_weight(g, "weight", type, z.n_dims, z.pointer, in_.pick(32) ? bytes.data() : nullptr);
        if (t && ql_tensor_bytes(t) > kWeightBytes) s.runs = false;
        keep(s, g, t);
    }
    void param() {
        Side & s = side();
        ql_graph * g = graph(s);
        const Sizes z = sizes();
        keep(s, g, ql_param(g, "param", z.n_dims, z.pointer));
    }
    void state() {
        Side & s = side();
        ql_graph * g = graph(s);
        const ql_dtype type = in_.dtype();
        const Sizes z = sizes();
        keep(s, g, ql_state(g, "state", type, z.n_dims, z.pointer));
    }

    void elementwise() {
        Side & s = side();
        ql_graph * g = graph(s);
        ql_tensor *a = tensor(s), *b = tensor(s);
        const uint8_t which = in_.byte();
        if (which >= 192) return keep(s, g, which >= 224 ? moved(g, a, b) : composed(g, a, b));
        switch (which % 7) {
            case 0:
                return keep(s, g, ql_add(g, a, b));
            case 1:
                return keep(s, g, ql_swiglu(g, a, b));
            case 2:
                return keep(s, g, ql_rms_norm(g, a, b, in_.number()));
            case 3:
                return keep(s, g, ql_dropout(g, a, b, in_.number(), in_.byte()));
            case 4:
                return keep(s, g, ql_rope(g, a, b, static_cast<ql_rope_mode>(in_.pick(2))));
            case 5:
                return keep(s, g, ql_accumulate(g, a, b));
            default:
                return keep(s, g, ql_zero(g, a));
        }
    }
    /// An elementary operator that computes; moved() makes those that move.
    ql_tensor * composed(ql_graph * g, ql_tensor * a, ql_tensor * b) {
        switch (in_.pick(9)) {
            case 0:
                return ql_mul(g, a, b);
            case 1:
                return ql_scale(g, a, in_.number(), in_.number());
            case 2:
                return ql_unary(g, a, static_cast<ql_unary_kind>(in_.pick(16)));
            case 3:
                return ql_clamp(g, a, in_.number(), in_.number());
            case 4:
                return ql_soft_cap(g, a, in_.number());
            case 5:
                return ql_softmax(g, a);
            case 6:
                return ql_sum_rows(g, a);
            case 7:
                return ql_layer_norm(g, a, b, in_.pick(2) ? b : nullptr, in_.number());
            default:
                return ql_top_k(g, a, in_.size(), nullptr);
        }
    }
    ql_tensor * moved(ql_graph * g, ql_tensor * a, ql_tensor * b) {
        const int dim = static_cast<int>(in_.pick(6)) - 1, from[] = {dim, static_cast<int>(in_.pick(4)), 3 - dim, 2};
        switch (in_.pick(9)) {
            case 7:
                return ql_tile(g, a, in_.size());
            case 8:
                return ql_sum_tiles(g, a, in_.size());
            case 0:
                return ql_slice(g, a, dim, in_.size(), in_.size());
            case 1:
                return ql_pad(g, a, dim, in_.size(), in_.size());
            case 2:
                return ql_concat(g, a, b, dim);
            case 3: {
                const Sizes z = sizes();
                return ql_expand(g, a, z.n_dims, z.pointer);
            }
            case 4:
                return ql_permute(g, a, from);
            case 5:
                return ql_gather_rows(g, a, b);
            default:
                return ql_scatter_add_rows(g, a, b, in_.size());
        }
    }
    void product() {
        Side & s = side();
        ql_graph * g = graph(s);
        ql_tensor *a = tensor(s), *b = tensor(s);
        switch (in_.pick(4)) {
            case 0:
                return keep(s, g, ql_mul_mat(g, a, b));
            case 1:
                return keep(s, g, ql_mul_mat_t(g, a, b));
            case 2:
                return keep(s, g, ql_outer(g, a, b));
            default:
                return keep(s, g, ql_get_rows(g, a, b));
        }
    }
    void many_inputs() {
        Side & s = side();
        ql_graph * g = graph(s);
        ql_tensor *a = tensor(s), *b = tensor(s), *c = tensor(s), *d = tensor(s), *nll = nullptr;
        switch (in_.pick(14)) {
            case 9:
                return keep(s, g,
                            ql_adamw8bit(g, a, b, c, d, tensor(s), tensor(s), tensor(s), tensor(s), in_.number()));
            case 10:
                return keep(s, g, ql_lion(g, a, b, c, d, tensor(s), in_.number()));
            case 11:
                return keep(s, g, ql_lion8bit(g, a, b, c, d, tensor(s), tensor(s), in_.number()));
            case 12:
                return keep(s, g, ql_sgd(g, a, b, c, d, tensor(s), in_.number()));
            case 13:
                return keep(s, g, ql_head_loss_rows(g, a, b, c, d, tensor(s), tensor(s), in_.number(), nullptr));
            case 8: {
                const int adapter = static_cast<int>(in_.pick(4));
                return keep(s, g, ql_lora_mix(g, a, b, c, static_cast<int>(in_.pick(2)), &adapter, &d, &d));
            }
            case 0:
                return keep(s, g, ql_lora(g, a, b, c, d, in_.number()));
            case 1:
                return keep(s, g, ql_attention(g, a, b, c, d, in_.number()));
            case 2:
                return keep(s, g, ql_kv_store(g, a, b, c));
            case 3:
                keep(s, g, ql_head_loss(g, a, b, c, d, in_.pick(2) ? &nll : nullptr));
                break;
            case 4:
                return keep(s, g, ql_attention_paged(g, a, b, c, d, tensor(s), in_.number()));
            case 5:
                return keep(s, g, ql_lora_merge(g, a, b, c, d, in_.number()));
            case 6:
                return keep(s, g, ql_mul_mat_merged(g, a, b, c, d, in_.number()));
            default:
                return keep(s, g, ql_adamw(g, a, b, c, d, tensor(s), tensor(s), in_.number()));
        }
        if (nll) s.tensors.push_back(nll);
    }
    void reshape() {
        Side & s = side();
        ql_graph * g = graph(s);
        ql_tensor * x = tensor(s);
        const Sizes z = sizes();
        keep(s, g, ql_reshape(g, x, z.n_dims, z.pointer));
    }
    void rope_table() {
        Side & s = side();
        ql_graph * g = graph(s);
        ql_tensor * positions = tensor(s);
        keep(s, g,
             ql_rope_table(g, positions, in_.pick(2) ? tensor(s) : nullptr, in_.byte() - 8, in_.number(), in_.number(),
                           in_.number()));
    }
    void global_norm() {
        Side & s = side();
        ql_graph * g = graph(s);
        std::vector<ql_tensor *> list(in_.pick(4));
        for (ql_tensor *& t : list) t = tensor(s);
        keep(s, g, ql_global_norm(g, list.data(), static_cast<int>(list.size()) - (in_.pick(16) == 15)));
    }

    void gradients() {
        Side & s = side();
        ql_graph * g = graph(s);
        ql_tensor * loss = tensor(s);
        ql_tensor *params[3], *grads[3] = {};
        for (ql_tensor *& p : params) p = tensor(s);
        const int n = 1 + static_cast<int>(in_.pick(3));
        const auto kind = static_cast<ql_recompute>(in_.pick(2));
        if (refused(ql_gradients(g, loss, params, n, kind, grads))) return;
        for (int i = 0; i < n; ++i) keep(s, g, grads[i]);
    }
    void plan() {
        Side & s = side();
        if (s.plans.size() >= 4) return;
        std::vector<ql_tensor *> outputs(1 + in_.pick(3));
        for (ql_tensor *& t : outputs) t = tensor(s);
        const ql_plan * over = !s.plans.empty() && in_.pick(2) ? s.plans[0] : nullptr;
        ql_plan * made = nullptr;
        if (!refused(
                ql_plan_create_over(graph(s), device_, outputs.data(), static_cast<int>(outputs.size()), over, &made)))
            s.plans.push_back(made);
    }
    void run_plan() {
        Side & s = side();
        if (s.plans.empty()) return;
        ql_plan * p = s.plans[in_.pick(s.plans.size())];
        ql_plan_info info{};
        info.size = sizeof info;
        must(ql_plan_describe(p, &info), "ql_plan_describe");
        must(ql_plan_set_profiling(p, static_cast<int>(in_.pick(2))), "ql_plan_set_profiling");
        ql_plan_node_info node{};
        node.size = sizeof node;
        (void)refused(ql_plan_node(p, in_.size(), &node));
        if (s.runs && info.flops <= kMostFlops && info.peak_bytes <= kMostBytes) (void)refused(ql_plan_run(p));
    }
    void write_tensor() {
        ql_tensor * t = tensor(side());
        std::array<uint8_t, 64> bytes{};
        for (uint8_t & b : bytes) b = in_.pick(2) ? in_.byte() : uint8_t{0};
        (void)refused(ql_tensor_write(t, bytes.data(), static_cast<size_t>(in_.size()), in_.pick(bytes.size() + 1)));
    }
    void read_tensor() {
        ql_tensor * t = tensor(side());
        std::array<uint8_t, 256> bytes{};
        const auto offset = static_cast<size_t>(in_.size());
        const size_t n = in_.pick(bytes.size());
        const auto & plans = side().plans;
        if (sides_[0].runs && sides_[1].runs) {
            (void)refused(ql_tensor_read(t, bytes.data(), offset, n));
            if (!plans.empty()) (void)refused(ql_plan_read(plans[in_.pick(plans.size())], t, bytes.data(), offset, n));
        }
        if (t)
            require(is_sound(t) && ql_tensor_ne(t, static_cast<int>(in_.byte()) - 8) >= 0, "a tensor without a size");
    }

    void convert() {
        const ql_dtype type = in_.dtype();
        std::vector<float> values(256);
        for (size_t i = 0; i < values.size(); ++i) values[i] = i % 16 ? static_cast<float>(i) / 64 - 2 : in_.number();
        const auto n = static_cast<int64_t>(in_.pick(5)) * 64;
        std::vector<uint8_t> encoded(ql_dtype_bytes(type, n) + 1);
        if (refused(ql_encode(type, values.data(), n, encoded.data()))) return;
        if (ql_dtype_can_search(type))
            must(ql_encode_search(type, values.data(), n, encoded.data()), "ql_encode_search");
        (void)refused(ql_decode(type, encoded.data(), n, in_.size(), in_.size(), nullptr));
        const int64_t block = std::max<int64_t>(ql_dtype_block_length(type), 1);
        const int64_t first = std::min(n, static_cast<int64_t>(in_.pick(4)) * block);
        must(ql_decode(type, encoded.data(), n, first, n - first, values.data()), "ql_decode");
    }
    void open_badly() {
        ql_device_options options;
        ql_device_options_init(&options);
        static constexpr const char * kNames[] = {"cpu", "cuda:0", "", "tpu", nullptr};
        options.name = in_.one_of(kNames);
        options.threads = static_cast<int>(in_.byte()) - 250;
        options.compute = static_cast<ql_compute>(in_.pick(3));
        if (in_.pick(4) == 3) options.size = static_cast<size_t>(in_.size());
        ql_device * device = nullptr;
        if (!refused(ql_device_open(&options, in_.pick(8) == 7 ? nullptr : &device))) ql_device_close(device);
    }

    static constexpr void (Machine::*kSteps[])() = {
        &Machine::input,       &Machine::weight,       &Machine::param,       &Machine::state,
        &Machine::elementwise, &Machine::product,      &Machine::product,     &Machine::many_inputs,
        &Machine::many_inputs, &Machine::reshape,      &Machine::rope_table,  &Machine::global_norm,
        &Machine::gradients,   &Machine::plan,         &Machine::plan,        &Machine::run_plan,
        &Machine::run_plan,    &Machine::write_tensor, &Machine::read_tensor, &Machine::convert,
        &Machine::open_badly};

    Input in_;
    ql_device * device_ = nullptr;
    Side sides_[2];
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    Machine(data, size).run();
    return 0;
}
