// The page of --board: its server, and what it shows besides what RunDisplay does.
#pragma once
#include <memory>
#include <string>

#include "examples/finetune/options.hpp"
#include "examples/finetune/report.hpp"
#include "examples/finetune/run_inputs.hpp"
#include "tools/cli/board/server.hpp"

namespace ql::cli {

class LivePage {
  public:
    /// All must outlive it.
    LivePage(Program & program, const FinetuneOptions & options) : program_(program), o_(options) {}
    /// Where --board is given and something runs: the page is there from here on. Throws Stop.
    void open(const std::string & model);
    void say_address();
    /// Null without a page.
    Board * board() { return server_ ? &board_ : nullptr; }
    /// device: as DeviceOptions::line says it.
    void show_plan(const RunReport & report, const std::string & device);
    /// The page's last state; a moment later there is none.
    void end(const RunReport & report);
    void end(const Stop & stop);
    void fail(const std::string & message);

  private:
    void close(BoardEnd end);
    Program & program_;
    const FinetuneOptions & o_;
    Board board_;
    BoardFacts facts_;
    std::unique_ptr<BoardServer> server_;
};

}  // namespace ql::cli
