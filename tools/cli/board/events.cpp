#include "tools/cli/board/events.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace ql::cli {
namespace {

using EventJson = nlohmann::ordered_json;

/// JSON has no NaN. Six digits are more than a curve shows.
EventJson figure(double value) {
    if (!std::isfinite(value)) return nullptr;
    if (value == 0) return 0;
    const double unit = std::pow(10.0, 5 - std::floor(std::log10(std::fabs(value))));
    const double rounded = std::round(value * unit) / unit;
    return std::isfinite(rounded) ? rounded : value;
}

EventJson rows_of(const BoardRows & rows) {
    EventJson list = EventJson::array();
    for (const auto & [name, value] : rows) list.push_back({name, value});
    return list;
}

EventJson json_of(const BoardFacts & f) {
    return {{"version", f.version},      {"stage", f.stage},
            {"stopping", f.is_stopping}, {"about", rows_of(f.about)},
            {"plan", rows_of(f.plan)},   {"first_step", f.first_step},
            {"n_steps", f.n_steps},      {"step_seconds", figure(f.step_seconds)}};
}

EventJson json_of(const BoardNow & now) {
    const BoardStep & s = now.step;
    return {{"step", s.step},
            {"epoch", figure(s.epoch)},
            {"loss", figure(s.loss)},
            {"lr", figure(s.lr)},
            {"grad_norm", figure(s.grad_norm)},
            {"tok_s", figure(s.tok_s)},
            {"seconds", figure(s.seconds)},
            {"rss_bytes", s.rss_bytes},
            {"skipped", now.n_skipped},
            {"part", now.part}};
}

EventJson json_of(const std::vector<BoardEvaluation> & all) {
    EventJson list = EventJson::array();
    for (const BoardEvaluation & e : all) list.push_back({e.step, figure(e.loss)});
    return list;
}

EventJson json_of(const BoardSamples & samples) {
    EventJson prompts = EventJson::array(), rounds = EventJson::array();
    for (const BoardPrompt & p : samples.prompts) prompts.push_back({{"prompt", p.prompt}, {"expected", p.expected}});
    for (const BoardRound & r : samples.rounds) {
        EventJson answers = EventJson::array();
        for (const BoardAnswer & a : r.answers) answers.push_back({{"text", a.text}, {"cut", a.is_cut}});
        rounds.push_back({{"step", r.step}, {"answers", answers}});
    }
    return {{"note", samples.note}, {"prompts", prompts}, {"rounds", rounds}};
}

EventJson json_of(const BoardEnd & end) {
    const char * how = end.how == BoardEnding::ended         ? "ended"
                       : end.how == BoardEnding::interrupted ? "interrupted"
                                                             : "failed";
    return {{"how", how}, {"message", end.message}, {"summary", rows_of(end.summary)}};
}

/// [step, loss, least, greatest, rate, norm]
EventJson points_of(const Board::News & news) {
    EventJson list = EventJson::array();
    for (const CurvePoint & p : news.points)
        list.push_back({static_cast<int64_t>(p.step), figure(p.loss), figure(p.low), figure(p.high), figure(p.lr),
                        figure(p.grad_norm)});
    return {{"replace", news.replaces_points}, {"points", list}};
}

void add_event(std::string & text, const char * name, const EventJson & data) {
    text += "event: ";
    text += name;
    text += "\ndata: " + data.dump(-1, ' ', false, EventJson::error_handler_t::replace) + "\n\n";
}

}  // namespace

std::string events_of(const Board::News & news) {
    std::string text;
    if (news.facts) add_event(text, "facts", json_of(*news.facts));
    if (news.replaces_points || !news.points.empty()) add_event(text, "points", points_of(news));
    if (news.evaluations) add_event(text, "evaluations", json_of(*news.evaluations));
    if (news.samples) add_event(text, "samples", json_of(*news.samples));
    if (news.lines) add_event(text, "lines", EventJson(*news.lines));
    if (news.now) add_event(text, "now", json_of(*news.now));
    if (news.end) add_event(text, "end", json_of(*news.end));
    return text;
}

}  // namespace ql::cli
