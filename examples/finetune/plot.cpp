#include "examples/finetune/plot.hpp"

#include <algorithm>
#include <filesystem>

#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

/// The last part of a path that has a name.
std::string name_of(const std::string & path) {
    std::filesystem::path p(path);
    if (!p.has_filename()) p = p.parent_path();
    return p.filename().string();
}

}  // namespace

std::string plot_title(const PlotTitle & title) {
    const std::string gap = " \xC2\xB7 ", lr = gap + "lr " + plain_number(title.lr);
    std::string rest = title.r_min == title.r_max ? format("r %lld", static_cast<long long>(title.r_max))
                                                  : format("r %lld to %lld", static_cast<long long>(title.r_min),
                                                           static_cast<long long>(title.r_max));
    rest = gap + (title.r_max > 0 ? rest + lr : lr.substr(gap.size()));
    const auto width = [](const std::string & text) { return Picture::text_width(text, kTitleSize); };
    const double room = kTitleWidth - width(gap + rest);
    std::string model = name_of(title.model), data = name_of(title.data);
    data = Picture::fit(data, kTitleSize, std::max(room / 2, room - width(model)));
    model = Picture::fit(model, kTitleSize, room - width(data));
    return model + gap + data + rest;
}

void write_plot(const std::string & path, const PlotTitle & title, const History & history) {
    const ChartOptions options;
    const Chart chart = chart_of_run(plot_title(title), drawn_run("", history.figures(), options), options);
    check_run(draw_chart(chart).save(path));
}

}  // namespace ql::cli
