#include "tools/cli/chat_options.hpp"

#include "ql/models.hpp"

namespace ql::cli {

namespace {

std::string why_no_date(const std::string & word) {
    char date[QL_DATE_SIZE];
    return Status(ql_chat_date(word.c_str(), date)).message();
}

}  // namespace

ChatOptions::ChatOptions(Program & program, const std::string & instead, const std::string & date) {
    program.text("--chat-template", name_or_file_, instead + ": a name, or a file with a Jinja template")
        ->option_text("NAME|FILE");
    program
        .text("--chat-template-kwargs", kwargs_,
              "Values that the template reads by name, such as {\"enable_thinking\": false} (default: none, or those "
              "that "
              "the adapter was trained with)")
        ->option_text("JSON");
    program.text("--date", date_, "The day that a template which asks for it is told (default: " + date + ")")
        ->option_text("YYYY-MM-DD")
        ->check(why_no_date);
}

std::string ChatOptions::read_template() const {
    if (!given()) return "";
    CharsPtr text;
    check_input(ql_chat_template_read(name_or_file_.c_str(), out(text)));
    return text.get();
}

}  // namespace ql::cli
