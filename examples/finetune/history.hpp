// The losses of a run by step, for the plot.
#pragma once
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "models/json/parse_json.hpp"

namespace ql::cli {

struct History {
    struct Point {
        double step, loss;
    };
    std::vector<Point> losses, evals;

    /// Reads what the run so far left in its metrics file, up to a step. A missing file is an empty history.
    /// on_line: told every line of it, with its step.
    void read(const std::string & metrics, int64_t last_step, const std::function<void(const ql::Json &)> & on_line) {
        std::ifstream file(metrics);
        for (std::string text; !metrics.empty() && std::getline(file, text);) {
            const auto parsed = parse_json(text);
            if (!parsed.ok() || !parsed->is_object()) continue;
            const ql::Json & line = *parsed;
            if (!line.contains("step") || !line["step"].is_number()) continue;
            const double step = line["step"];
            if (step > static_cast<double>(last_step)) continue;
            on_line(line);
            if (line.contains("loss") && line["loss"].is_number() && !line.contains("skipped"))
                losses.push_back({step, line["loss"]});
            if (line.contains("eval_loss") && line["eval_loss"].is_number()) evals.push_back({step, line["eval_loss"]});
        }
    }
};

}  // namespace ql::cli
