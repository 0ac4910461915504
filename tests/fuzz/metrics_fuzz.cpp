// Metrics files as ql-plot reads and draws them: alone and beside themselves, along every axis.
#include "fuzz/fuzz.hpp"
#include "tools/picture/run_chart.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::cli;
    using ql::fuzz::require;
    if (size < 2) return 0;
    ChartOptions options;
    const Quantity along[] = {kStep, kTokens, kSeconds, kEpoch};
    options.x = along[data[0] % 4], options.smooth = data[1] / 8;
    options.log = data[1] % 4 == 0 ? Log::on : data[1] % 4 == 1 ? Log::off : Log::automatic;
    options.panels = data[0] < 128 ? std::vector<Quantity>{kLoss, kLr, kGradNorm}
                                   : std::vector<Quantity>{kTokS, kRssBytes, kLossScale, kEpoch};
    const std::string path = ql::fuzz::write("metrics.jsonl", data + 2, size - 2);
    RunFigures run(kept_for(options));
    bool is_cut = false;
    const ql::Status status = read_metrics(path, run, &is_cut);
    if (!status.ok()) {
        require(status.code() != QL_INTERNAL && !status.message().empty(), "a failure without words");
        return 0;
    }
    require(run.size() > 0, "a run without a step");
    const DrawnRun drawn = drawn_run("run", run, options);
    const std::string alone = draw_chart(chart_of_run("run", drawn, options)).svg();
    require(alone.find("nan") == alone.npos && alone.find("inf") == alone.npos, "no place for a value");
    require(!draw_chart(chart_of_runs("two", {drawn, drawn}, options)).png(0.2).empty(), "no picture");
    return 0;
}
