// What products of other kinds lose on a real text: the CPU backend computes steps of training in f32, and each product with
// a frozen weight also in every other kind (backends/cpu/compare.hpp). NMSE: squares of the differences over squares of
// f32's results.
#include <algorithm>
#include <cstdlib>
#include <map>

#include "models/json/parse_json.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/made_up_text.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

/// Products of one layer, direction and kind. Each counts alike: a mean of NMSEs, the largest of them, and the token that
/// loses most.
struct LayerError {
    double sum = 0, largest = 0, worst_token = 0;
    int64_t n = 0;

    void add(double nmse, double worst) {
        sum += nmse, ++n;
        largest = std::max(largest, nmse), worst_token = std::max(worst_token, worst);
    }
    double mean() const { return n > 0 ? sum / static_cast<double>(n) : 0; }
};

/// Devices that are opened in its scope compare.
class Comparing {
  public:
    Comparing() { setenv("QL_CPU_ERRORS", path().c_str(), 1); }
    ~Comparing() { unsetenv("QL_CPU_ERRORS"); }
    Comparing(const Comparing &) = delete;
    Comparing & operator=(const Comparing &) = delete;

    std::string path() const { return folder_.path("errors.json"); }

  private:
    TemporaryFolder folder_;
};

/// Steps over the text's first windows, with a new adapter on every linear.
void run_steps(const ModelPtr & model, const DevicePtr & device, const ErrorBench & o) {
    auto data_options = defaults<ql_dataset_options>();
    data_options.ctx = o.ctx;
    DatasetPtr data;
    check_input(ql_dataset_open(o.file.c_str(), model.get(), &data_options, out(data)));
    auto lora = defaults<ql_lora_options>();
    AdapterPtr adapter;
    check_input(ql_adapter_create(model.get(), &lora, out(adapter)));
    auto options = defaults<ql_train_options>();
    options.ctx = o.ctx, options.batch = options.grad_accum = 1, options.steps = o.steps;
    options.cancelled = [](void *) { return g_interrupt != 0 ? 1 : 0; };
    TrainerPtr trainer;
    check_run(ql_trainer_create(model.get(), device.get(), adapter.get(), data.get(), nullptr, &options, out(trainer)));
    check_run(ql_trainer_run(trainer.get()));
}

/// "blk.7" of "blk.7.attn_q.weight"; a tensor of no block is its own layer.
std::string layer_of(const std::string & weight) {
    return weight.starts_with("blk.") ? weight.substr(0, weight.find('.', 4)) : weight;
}

std::string print_nmse(double nmse) {
    return nmse > 0 ? format("%.2e", nmse) : "";
}

}  // namespace

void bench_error(const Program & program, const ModelPtr & model, const DeviceOptions & device_options,
                 const ErrorBench & o) {
    const ql_model_info info = ModelOptions::describe(model);
    if (o.ctx > info.n_ctx)
        bad_input("--ctx: %lld is out of range; 8 to %lld are possible with this model", static_cast<long long>(o.ctx),
                  static_cast<long long>(info.n_ctx));
    program.begin_work();
    const Comparing comparing;
    {
        const DevicePtr device = device_options.open_as("f32");
        if (std::string(DeviceOptions::describe(device).backend) != "cpu")
            bad_input("--device: error compares the products of the CPU; give cpu");
        run_steps(model, device, o);
    }
    const auto compared = read_json_object(comparing.path());
    check_run(compared.status());
    const std::vector<std::string> kinds = {"bf16", "int16", "int8", "int8_1"};
    std::map<std::pair<std::string, std::string>, std::map<std::string, LayerError>> layers;  // by layer and side
    std::vector<std::pair<std::string, std::string>> order;
    Json products = Json::array();
    for (const Json & p : (*compared)["products"]) {
        const double size = p["size"].get<double>();
        const double nmse = size > 0 ? p["error"].get<double>() / size : 0, worst = p["worst"].get<double>();
        const std::string weight = p["weight"].get<std::string>(), kind = p["kind"].get<std::string>();
        for (const std::string & layer : {layer_of(weight), std::string("all")})
            layers[{layer, p["side"].get<std::string>()}][kind].add(nmse, worst);
        products.push_back({{"weight", weight}, {"side", p["side"]}, {"kind", kind}, {"nmse", nmse}, {"worst", worst}});
    }
    for (const auto & [key, kinds_of] : layers) order.push_back(key);
    const auto number = [](const std::string & layer) {
        return layer.starts_with("blk.") ? std::atoi(layer.c_str() + 4) : layer == "all" ? 1 << 30 : 1 << 29;
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](const auto & a, const auto & b) { return number(a.first) < number(b.first); });
    if (program.json)
        return program.print({{"model", info.base_type}, {"tokens", o.ctx * o.steps}, {"products", products}});
    std::vector<std::string> head = {"layer", "direction"};
    for (const std::string & kind : kinds) head.push_back(kind);
    head.insert(head.end(), {"int8: largest", "worst token"});
    Table table(head);
    table.left({1});
    for (const auto & key : order) {
        std::vector<std::string> row = {key.first, key.second};
        for (const std::string & kind : kinds) row.push_back(print_nmse(layers[key][kind].mean()));
        const LayerError & int8 = layers[key]["int8"];
        row.push_back(print_nmse(int8.largest)), row.push_back(print_nmse(int8.worst_token));
        table.add(row);
    }
    table.print(stdout);
    std::printf(
        "NMSE of products with frozen weights against f32, the mean over a layer's; int8_1: of single tokens.\n");
}

}  // namespace ql::cli
