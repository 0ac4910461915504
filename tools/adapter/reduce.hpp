// ql-adapter extract, resize, to-lora and prune: an adapter out of two models, smaller ones, and plain ones.
#pragma once
#include <string>

#include "tools/adapter/adapter_program.hpp"

namespace ql::cli {

class ExtractCommand {
  public:
    ExtractCommand(Program & program, Command & command);
    /// `bases`: the command's -m.
    void run(Bases & bases, const std::string & output, int64_t threads) const;

  private:
    Program & program_;
    std::string tuned_;
    int64_t rank_ = 16;
};

class ResizeCommand {
  public:
    ResizeCommand(Program & program, Command & command);
    void run(Bases & bases, const std::string & input, const std::string & output, int64_t threads) const;

  private:
    Program & program_;
    int64_t rank_ = 0;
    double energy_ = 1;
};

class ToLoraCommand {
  public:
    ToLoraCommand(Program & program, Command & command);
    void run(Bases & bases, const std::string & input, const std::string & output, int64_t threads) const;

  private:
    Program & program_;
    int64_t rank_ = 0;
};

class PruneCommand {
  public:
    PruneCommand(Program & program, Command & command);
    void run(Bases & bases, const std::string & input, const std::string & output) const;

  private:
    Program & program_;
    std::string drop_;
    double least_ = 0, energy_ = 1;
};

}  // namespace ql::cli
