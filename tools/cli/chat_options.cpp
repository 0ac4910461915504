#include "tools/cli/chat_options.hpp"

#include "tools/cli/handles.hpp"

namespace ql::cli {

ChatOptions::ChatOptions(Program & program, const std::string & help) {
    program.text("--chat-template", name_or_file_, help + ": a name, or a file with a Jinja template")
        ->option_text("NAME|FILE");
}

std::string ChatOptions::read_template() const {
    if (!given()) return "";
    char * text = nullptr;
    check_input(ql_chat_template_read(name_or_file_.c_str(), &text));
    return Text(text).get();
}

}  // namespace ql::cli
