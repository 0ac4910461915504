// --chat-template, --chat-template-kwargs and --date: the options of the programs that render conversations.
#pragma once
#include <string>

#include "tools/cli/program.hpp"

namespace ql::cli {

class ChatOptions {
  public:
    /// `instead` says whose template --chat-template replaces, `date` what is used where --date is not given.
    ChatOptions(Program & program, const std::string & instead, const std::string & date);
    bool given() const { return !name_or_file_.empty(); }
    const std::string & name_or_file() const { return name_or_file_; }
    /// The Jinja text of --chat-template, "" where it is not given. Throws Stop.
    std::string read_template() const;
    /// --date, "" where it is not given.
    const std::string & date() const { return date_; }
    /// --chat-template-kwargs; where it is not given those that were learned with the adapter's template, which another
    /// template has no use for.
    std::string kwargs(const std::string & learned) const { return kwargs_.empty() && !given() ? learned : kwargs_; }
    /// Whether any of the three is given.
    bool any() const { return given() || !date_.empty() || !kwargs_.empty(); }

  private:
    std::string name_or_file_, date_, kwargs_;
};

}  // namespace ql::cli
