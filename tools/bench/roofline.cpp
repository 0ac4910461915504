// The least time of a step of training on a card: what each kernel moves and computes, over the card's published peaks. A
// bound, never a measurement. Of CUDA it is counted while the emulation runs the step. Of Vulkan the step is planned and
// recorded, not run: dispatches are counted, bytes are those of each node's tensors, once, and operations the formulas'.
//
// Of CUDA, bytes: each byte that a launch reads or writes, once; as if nothing stayed in a cache between two launches. Operations:
// those of mma.sync, counted; of kernels without, the f32 operations of the operator's formula. A kernel takes at least
// the longest of the three times.
//
// A made model is counted with one layer and with two; what the second adds is taken for each further one.
#include <algorithm>
#include <cstdlib>
#include <map>

#include "models/json/parse_json.hpp"
#include "ql/dtypes.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/cards.hpp"
#include "tools/bench/made_up_text.hpp"
#include "tools/bench/random_codes.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr double kMmaFlops = 2.0 * 16 * 8 * 16;  // of one mma.sync m16n8k16

/// Of all launches of an operator in a step.
struct Count {
    double launches = 0, mma = 0, flops = 0;  // flops: of the formula
    double bytes = 0, block_bytes = 0;        // each once in a launch; each once in a block of it

    Count & add(const Count & other, double times) {
        launches += times * other.launches, mma += times * other.mma, flops += times * other.flops;
        bytes += times * other.bytes, block_bytes += times * other.block_bytes;
        return *this;
    }
    double tensor_flops() const { return mma * kMmaFlops; }
    double f32_flops() const { return mma > 0 ? 0 : flops; }
};
using Counts = std::map<std::string, Count>;

const Card & find_card(const std::string & name) {
    for (const Card & card : cards())
        if (name == card.name) return card;
    bad_input("--card: '%s' is unknown; %s are", name.c_str(), card_names().c_str());
}

/// Makes devices that are opened in its scope count, and says where they write what they counted.
class Counting {
  public:
    Counting() : path_(folder_.path("counts.json")) {
        for (Setting & s : settings_) {
            const char * before = std::getenv(s.name);
            if (before) s.before = before;
            setenv(s.name, ((s.before.empty() ? "" : s.before + ",") + "counts=" + (s.is_path ? path_ : "2")).c_str(),
                   1);
        }
        setenv("QL_CUDA_EMU_COUNTS", path_.c_str(), 1);
    }
    ~Counting() {
        for (const Setting & s : settings_) setenv(s.name, s.before.c_str(), 1);
        unsetenv("QL_CUDA_EMU_COUNTS");
    }
    Counting(const Counting &) = delete;
    Counting & operator=(const Counting &) = delete;

    /// Of a device that was closed; adds what each kernel moved.
    void read(Counts & counts) const {
        const auto counted = read_json_object(path_);
        check_run(counted.status());
        for (const Json & k : (*counted)["kernels"]) {
            Count & c = counts[k["kernel"].get<std::string>()];
            c.launches += k["launches"].get<double>();
            if (!k.contains("mma")) continue;
            c.mma += k["mma"].get<double>();
            for (const char * side : {"read", "written"}) {
                c.bytes += k[side]["by_launch"].get<double>();
                c.block_bytes += k[side]["by_blocks"].get<double>();
            }
        }
    }

  private:
    /// A backend's list of settings.
    struct Setting {
        const char * name;
        bool is_path;  // where to write the counts is one of them
        std::string before;
    };
    TemporaryFolder folder_;
    std::string path_;
    Setting settings_[2] = {{"QL_CUDA_EMU", false, ""}, {"QL_VULKAN", true, ""}};
};

void add_formulas(const ql_plan * plan, const std::string & device, Counts & counts) {
    auto info = sized<ql_plan_info>();
    check_run(ql_plan_describe(plan, &info));
    for (int64_t i = 0; i < info.n_nodes; ++i) {
        auto node = sized<ql_plan_node_info>();
        check_run(ql_plan_node(plan, i, &node));
        if (!std::string(node.device).starts_with(device)) continue;
        counts[node.op].flops += node.flops;
        if (device == "vulkan") counts[node.op].bytes += node.bytes, counts[node.op].block_bytes += node.bytes;
    }
}

/// One step of one sequence, in a device of its own.
Counts count_step(const DeviceOptions & options, const ModelPtr & model, const Roofline & o) {
    const ql_model_info info = ModelOptions::describe(model);
    if (o.tokens > info.n_ctx)
        bad_input("--tokens: %lld is out of range; 8 to %lld are possible with this model",
                  static_cast<long long>(o.tokens), static_cast<long long>(info.n_ctx));
    const MadeUpText text(o.tokens * 2);
    const Counting counting;
    Counts counts;
    {
        const DevicePtr device = options.open();
        const std::string backend = DeviceOptions::describe(device).backend;
        const bool vulkan = backend.starts_with("vulkan");
        if (!vulkan && !backend.starts_with("cuda-emu"))
            bad_input(
                "--device: roofline counts in the emulation of the CUDA backend and in Vulkan; give cuda-emu or "
                "vulkan");
        if (const Card & card = find_card(o.card); card.tensor == 0 && !vulkan)
            bad_input("--card: %s runs no CUDA; give --device vulkan", card.name);
        auto data_options = defaults<ql_dataset_options>();
        data_options.ctx = o.tokens;
        DatasetPtr data;
        check_input(ql_dataset_open(text.path().c_str(), model.get(), &data_options, out(data)));
        auto lora = defaults<ql_lora_options>();
        lora.r = o.lora_r;
        AdapterPtr adapter;
        check_input(ql_adapter_create(model.get(), &lora, out(adapter)));
        auto train = defaults<ql_train_options>();
        train.ctx = o.tokens, train.batch = train.grad_accum = train.steps = 1;
        train.cancelled = [](void *) { return g_interrupt != 0 ? 1 : 0; };
        TrainerPtr trainer;
        check_run(
            ql_trainer_create(model.get(), device.get(), adapter.get(), data.get(), nullptr, &train, out(trainer)));
        if (!vulkan) check_run(ql_trainer_run(trainer.get()));
        for (const ql_train_plan plan : {QL_TRAIN_PLAN_MICRO_BATCH, QL_TRAIN_PLAN_UPDATE})
            add_formulas(ql_trainer_plan(trainer.get(), plan), vulkan ? "vulkan" : "cuda", counts);
    }
    counting.read(counts);
    std::erase_if(counts, [](const auto & kernel) { return kernel.second.launches == 0; });
    return counts;
}

ModelPtr open_model(const std::string & path) {
    auto options = defaults<ql_model_options>();
    ModelPtr model;
    check_input(ql_model_open(path.c_str(), &options, out(model)));
    return model;
}

struct Counted {
    Counts counts;
    std::string model, how;  // in words
};

Counted count_shape(const Program & program, const DeviceOptions & device, const Roofline & o, uint64_t seed) {
    ModelShape shape = model_shape(o.shape);
    const ql_dtype type = weight_type("--type", o.type);
    const int64_t n_layer = shape.n_layer, n_counted = std::min<int64_t>(n_layer, 2);
    const TemporaryFolder folder;
    Counts by_layers[2];
    for (shape.n_layer = 1; shape.n_layer <= n_counted; ++shape.n_layer) {
        const std::string path = folder.path("model.gguf");
        program.detail(format("counting %lld of %lld layers", static_cast<long long>(shape.n_layer),
                              static_cast<long long>(n_layer)));
        write_made_model(program, shape, type, path, seed);
        by_layers[shape.n_layer - 1] = count_step(device, open_model(path), o);
    }
    Counted counted{by_layers[0], shape.name + " " + o.type, "a step was counted with all layers"};
    if (n_layer < 2) return counted;
    const auto further = static_cast<double>(n_layer - 1);
    for (const auto & [name, count] : by_layers[1]) {
        Count layer = count;
        layer.add(by_layers[0][name], -1);
        counted.counts[name].add(layer, further);
    }
    if (n_layer > 2)
        counted.how = format("a step was counted with one layer and with two; what the second adds counts %lld times",
                             static_cast<long long>(n_layer - 1));
    return counted;
}

struct Bound {
    double seconds;
    const char * binds;
};
Bound bound_of(const Count & c, const Card & card) {
    const Bound bounds[] = {{c.bytes / card.bandwidth, "memory"},
                            {c.mma > 0 ? c.tensor_flops() / card.tensor : 0, "tensor cores"},
                            {c.f32_flops() / card.f32, "f32"}};
    return *std::max_element(std::begin(bounds), std::end(bounds),
                             [](const Bound & a, const Bound & b) { return a.seconds < b.seconds; });
}

void print_bound(const Program & program, const Counted & counted, const Card & card, const Roofline & o) {
    std::vector<std::pair<std::string, Count>> rows(counted.counts.begin(), counted.counts.end());
    std::sort(rows.begin(), rows.end(), [&](const auto & a, const auto & b) {
        return bound_of(a.second, card).seconds > bound_of(b.second, card).seconds;
    });
    Table table({"operator", "launches", "MB", "MB by blocks", "tensor GFLOP", "f32 GFLOP", "us at least", "binds"});
    table.left({7});
    Json kernels = Json::array();
    Count all;
    double seconds = 0;
    std::map<std::string, double> by_limit;
    const auto line = [&](const std::string & name, const Count & c, double at_least, const std::string & binds) {
        table.add({name, print_number(c.launches, 0), print_number(c.bytes / 1e6, 2),
                   print_number(c.block_bytes / 1e6, 2), print_number(c.tensor_flops() / 1e9, 3),
                   print_number(c.f32_flops() / 1e9, 3), print_number(at_least * 1e6, 1), binds});
    };
    double f32_flops = 0;
    for (const auto & [name, c] : rows) {
        const Bound bound = bound_of(c, card);
        line(name, c, bound.seconds, bound.binds);
        kernels.push_back({{"operator", name},
                           {"launches", c.launches},
                           {"bytes", c.bytes},
                           {"bytes_by_blocks", c.block_bytes},
                           {"tensor_flops", c.tensor_flops()},
                           {"f32_flops", c.f32_flops()},
                           {"seconds_at_least", bound.seconds},
                           {"binds", bound.binds}});
        all.add(c, 1);
        f32_flops += c.f32_flops();
        seconds += bound.seconds;
        by_limit[bound.binds] += bound.seconds;
    }
    const double rate = static_cast<double>(o.tokens) / seconds;
    const auto most = std::max_element(by_limit.begin(), by_limit.end(),
                                       [](const auto & a, const auto & b) { return a.second < b.second; });
    if (program.json)
        return program.print(
            {{"kind", "bound"},
             {"card", card.name},
             {"peaks", {{"bytes_s", card.bandwidth}, {"tensor_flop_s", card.tensor}, {"f32_flop_s", card.f32}}},
             {"model", counted.model},
             {"counted", counted.how},
             {"tokens", o.tokens},
             {"lora_r", o.lora_r},
             {"operators", kernels},
             {"bytes", all.bytes},
             {"tensor_flops", all.tensor_flops()},
             {"f32_flops", f32_flops},
             {"seconds_at_least", seconds},
             {"tok_s_at_most", rate},
             {"binds", most->first}});
    table.add({"all", print_number(all.launches, 0), print_number(all.bytes / 1e6, 2),
               print_number(all.block_bytes / 1e6, 2), print_number(all.tensor_flops() / 1e9, 3),
               print_number(f32_flops / 1e9, 3), print_number(seconds * 1e6, 1), most->first});
    table.print(stdout);
    std::printf("%s, r %lld, a step of %lld tokens; %s.\n", counted.model.c_str(), static_cast<long long>(o.lora_r),
                static_cast<long long>(o.tokens), counted.how.c_str());
    const std::string tensor = all.mma > 0 ? print_number(card.tensor / 1e12, 1) + " TFLOP/s bf16, "
                                           : std::string("no matrix units, TFLOP/s: ");
    std::printf("bound: at most %s tok/s on %s (%s GB/s, %s%s f32). Counts over published peaks, not a measurement.\n",
                print_number(rate, 0).c_str(), card.chip, print_number(card.bandwidth / 1e9, 0).c_str(), tensor.c_str(),
                print_number(card.f32 / 1e12, 1).c_str());
    std::string shares;
    for (const auto & [limit, time] : by_limit)
        shares += (shares.empty() ? "" : ", ") + limit + " " + print_number(100 * time / seconds, 0) + " %";
    std::printf("What binds, of that time: %s.\n", shares.c_str());
}

}  // namespace

std::string card_names() {
    std::string names;
    for (const Card & card : cards()) names += (names.empty() ? "" : ", ") + std::string(card.name);
    return names;
}

void roofline(const Program & program, const DeviceOptions & device, const ModelOptions & model, const Roofline & o,
              uint64_t seed) {
    const Card & card = find_card(o.card);
    if (model.path().empty() == o.shape.empty()) bad_input("roofline: one of -m and --shape is needed");
    program.begin_work();
    const Counted counted = o.shape.empty() ? Counted{count_step(device, model.open(), o), model.path(),
                                                      "a step was counted with all layers"}
                                            : count_shape(program, device, o, seed);
    print_bound(program, counted, card, o);
}

}  // namespace ql::cli
