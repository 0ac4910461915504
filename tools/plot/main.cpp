// ql-plot: the curves of runs over each other, from the metrics files that ql-finetune --metrics writes.
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ql/os.h"
#include "tools/cli/escape.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/program.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"
#include "tools/picture/run_chart.hpp"
#include "tools/picture/run_names.hpp"

namespace ql::cli {
namespace {

constexpr const char * kExamples =
    "  ql-plot run.jsonl -o run.png\n"
    "  ql-plot lr-1e-4.jsonl lr-1e-3.jsonl -o rates.svg --x tokens\n"
    "  ql-plot runs/*/metrics.jsonl -o speed.png --x seconds --y tok_s,rss_bytes\n"
    "  ql-plot run.jsonl -o run.png --log off --smooth 1";

class Plot {
  public:
    Plot() {
        std::vector<std::string> quantities;
        for (const QuantityRow & q : kQuantityRows) quantities.emplace_back(q.key);
        program_.texts("metrics", files_, "Metrics files of ql-finetune; of a run that still writes it, too")
            ->required()
            ->option_text("METRICS.jsonl...");
        program_.text("-o,--output", output_, "The picture; an existing one is replaced")
            ->required()
            ->option_text("FILE.png|.svg");
        program_.choice("--x", x_, {"step", "tokens", "seconds", "epoch"}, {}, "What the curves go along");
        program_
            .list("--y", y_,
                  "What is drawn, with commas between: the first one large, the others beneath: " + keys(", "))
            ->option_text("loss|lr|grad_norm|tok_s|...");
        program_
            .number("--smooth", smooth_, 1, 1000000,
                    "Steps of which the thick curve is the mean, as many before as behind; 1: no such curve "
                    "(default: a twentieth of a run)")
            ->default_str("");
        program_.choice("--log", log_, {"auto", "on", "off"}, {},
                        "Logarithmic axes; auto: of losses and norms whose largest value is more than 20 times the "
                        "smallest one");
        program_.text("--title", title_, "What stands above the picture (default: the file's name, or how many runs)")
            ->option_text("TEXT");
    }

    int main(int argc, char ** argv) {
        return program_.run(argc, argv, [this] { return body(); });
    }

  private:
    static std::string keys(const char * between) {
        std::string text;
        for (const QuantityRow & q : kQuantityRows)
            if (&q != &kQuantityRows[kStep]) text += (text.empty() ? "" : between) + std::string(q.key);
        return text;
    }

    static Quantity quantity(const std::string & option, const std::string & key) {
        for (size_t q = 0; q < kQuantities; ++q)
            if (key == kQuantityRows[q].key && (q != kStep || option == "--x")) return static_cast<Quantity>(q);
        bad_input("%s: '%s' is nothing that can be drawn; %s are", option.c_str(), key.c_str(), keys(", ").c_str());
    }

    ChartOptions chart_options() const {
        ChartOptions options;
        options.x = quantity("--x", x_), options.smooth = static_cast<size_t>(smooth_);
        options.log = log_ == "on" ? Log::on : log_ == "off" ? Log::off : Log::automatic;
        options.panels.clear();
        for (size_t begin = 0; begin <= y_.size();) {
            const size_t end = std::min(y_.find(',', begin), y_.size());
            const Quantity q = quantity("--y", y_.substr(begin, end - begin));
            for (const Quantity other : options.panels)
                if (other == q) bad_input("--y: '%s' is there twice", kQuantityRows[q].key);
            options.panels.push_back(q);
            begin = end + 1;
        }
        return options;
    }

    void check_files() const {
        if (!Picture::knows(output_))
            bad_input("-o: %s: pictures are .png or .svg; name one of these", output_.c_str());
        if (files_.size() > kMostRuns)
            bad_input("%zu files: more than %zu runs cannot be told apart in one picture", files_.size(), kMostRuns);
        for (size_t i = 0; i < files_.size(); ++i)
            for (size_t j = 0; j < i; ++j) {
                std::error_code ec;
                const bool same =
                    files_[i] == files_[j] || (std::filesystem::equivalent(files_[i], files_[j], ec) && !ec);
                if (same)
                    bad_input("%s: is given twice%s", files_[i].c_str(),
                              files_[i] == files_[j] ? "" : (", as " + files_[j] + " too").c_str());
            }
        Outputs outputs;
        for (const std::string & file : files_) outputs.input("METRICS", file);
        outputs.input("--config", program_.config_path());
        outputs.file("-o", output_, OutputKind::other);
        outputs.check();
    }

    DrawnRun read_run(const std::string & file, const std::string & name, const ChartOptions & options) {
        RunFigures figures(kept_for(options));
        bool is_cut = false;
        check_input(read_metrics(file, figures, &is_cut));
        if (is_cut)
            program_.note("note: " + file +
                          ": the last line is not whole, as where a run still writes; it is left out");
        for (const Quantity q : options.panels)
            if (!figures.has(q)) bad_input("%s: no line has a figure for \"%s\"", file.c_str(), kQuantityRows[q].key);
        if (!figures.has(options.x) && options.x != kStep)
            bad_input("%s: no line has a figure for \"%s\"", file.c_str(), kQuantityRows[options.x].key);
        return drawn_run(name, figures, options);
    }

    int body() {
        check_files();
        const ChartOptions options = chart_options();
        const std::vector<std::string> names = telling_names(files_);
        for (size_t i = 0; i < files_.size(); ++i) {
            runs_.push_back(read_run(files_[i], names[i], options));
            check_interrupt();
        }
        program_.begin_work();
        const bool is_one = runs_.size() == 1;
        const std::string title = !title_.empty() ? title_ : is_one ? names[0] : format("%zu runs", runs_.size());
        const Chart chart = is_one ? chart_of_run(title, runs_[0], options) : chart_of_runs(title, runs_, options);
        const double begin = ql_os_seconds();
        check_run(draw_chart(chart).save(output_));
        program_.detail(format("drawn    in %.2f s", ql_os_seconds() - begin));
        if (program_.json)
            print_json(options);
        else
            print_table(options);
        return kDone;
    }

    void print_table(const ChartOptions & options) const {
        Table table({"run", "steps", kQuantityRows[options.panels[0]].key, "best evaluation", "after step"});
        const auto number = [](double v) { return std::isfinite(v) ? plain_number(v) : std::string("-"); };
        for (const DrawnRun & run : runs_)
            table.add({run.name, print_count(static_cast<int64_t>(run.last_step)), number(run.last), number(run.best),
                       std::isfinite(run.best_step) ? print_count(static_cast<int64_t>(run.best_step)) : "-"});
        table.print(stdout);
        std::printf("\npicture  %s\n", escape_line(output_).c_str());
    }

    void print_json(const ChartOptions & options) const {
        Json list = Json::array();
        for (size_t i = 0; i < runs_.size(); ++i)
            list.push_back({{"file", files_[i]},
                            {"name", runs_[i].name},
                            {"steps", static_cast<int64_t>(runs_[i].last_step)},
                            {"skipped", runs_[i].n_skipped},
                            {kQuantityRows[options.panels[0]].key, number_or_null(runs_[i].last)},
                            {"eval_best", number_or_null(runs_[i].best)},
                            {"eval_best_step", number_or_null(runs_[i].best_step)}});
        program_.print({{"picture", output_}, {"runs", list}});
    }

    Program program_{"ql-plot", "Draws the curves of runs over each other, from their metrics files.", kExamples};
    std::vector<std::string> files_;
    std::string output_, x_ = "step", y_ = "loss", log_ = "auto", title_;
    int64_t smooth_ = 0;
    std::vector<DrawnRun> runs_;
};

}  // namespace
}  // namespace ql::cli

int main(int argc, char ** argv) {
    return ql::cli::Plot().main(argc, argv);
}
