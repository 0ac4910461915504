#include "examples/finetune/live_page.hpp"

#include "tools/cli/signals.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {

void LivePage::open(const std::string & model) {
    if (o_.board.empty()) return;
    if (!o_.writes()) return program_.note("note: --board: nothing is trained, so there is no page");
    facts_.version = std::string("ql-finetune ") + ql_version();
    std::string data;
    for (const std::string & path : o_.data) data += (data.empty() ? "" : ", ") + path;
    facts_.about = {{"model", model}, {"data", data}, {"adapter", o_.output}};
    board_.set_facts(facts_);
    server_ = BoardServer::open(o_.board, board_, StopRequest());
}

void LivePage::say_address() {
    if (!server_) return;
    program_.note("board    " + server_->url());
    program_.on_note = [this](const std::string & line) { board_.log(line); };
}

void LivePage::show_plan(const RunReport & report, const std::string & device) {
    if (!server_) return;
    facts_.about.emplace_back("base type", report.base_type);
    facts_.about.emplace_back("device", device.substr(std::string("device   ").size()));
    facts_.plan = plan_rows(report);
    facts_.first_step = report.plan.first_step, facts_.n_steps = report.plan.n_steps;
    facts_.step_seconds = report.expected.seconds;
    board_.set_facts(facts_);
}

void LivePage::end(const RunReport & report) {
    close({BoardEnding::ended, "", summary_rows(report)});
}

void LivePage::end(const Stop & stop) {
    close({stop.code == kInterrupted ? BoardEnding::interrupted : BoardEnding::failed, stop.message, {}});
}

void LivePage::fail(const std::string & message) {
    close({BoardEnding::failed, message, {}});
}

void LivePage::close(BoardEnd end) {
    if (!server_) return;
    program_.on_note = nullptr;
    board_.end(std::move(end));
    server_.reset();
}

}  // namespace ql::cli
