// --chat-template: how the programs that render conversations are told with what.
#pragma once
#include <string>

#include "tools/cli/program.hpp"

namespace ql::cli {

class ChatOptions {
  public:
    /// `help` says whose template it takes the place of.
    ChatOptions(Program & program, const std::string & help);
    bool given() const { return !name_or_file_.empty(); }
    const std::string & name_or_file() const { return name_or_file_; }
    /// The Jinja text of --chat-template, "" where it is not given. Throws Stop.
    std::string read_template() const;

  private:
    std::string name_or_file_;
};

}  // namespace ql::cli
