// extern "C": ql/chat.h
#include "ql/chat.h"

#include <cstdlib>
#include <cstring>

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "models/base/date.hpp"
#include "models/data/render.hpp"
#include "models/model/model.hpp"

using ql::error;
using ql::Status;

namespace {

/// A copy for the caller, who frees it with ql_os_free.
Status give_text(const std::string & text, char ** out) {
    *out = static_cast<char *>(std::malloc(text.size() + 1));
    if (!*out) return error(QL_NO_MEMORY, "out of memory");
    std::memcpy(*out, text.c_str(), text.size() + 1);
    return {};
}

}  // namespace

extern "C" {

ql_status ql_chat_template_read(const char * name_or_file, char ** text) {
    return ql::guarded([&]() -> Status {
        if (!name_or_file || !text) return error(QL_INVALID_ARGUMENT, "ql_chat_template_read: an argument is NULL");
        QL_ASSIGN(const std::string source, ql::chat_template_source(name_or_file));
        return give_text(source, text);
    });
}

void ql_chat_options_init(ql_chat_options * options) {
    if (options) *options = {sizeof(ql_chat_options), nullptr, nullptr, nullptr};
}

ql_status ql_chat_date(const char * text, char date[QL_DATE_SIZE]) {
    return ql::guarded([&]() -> Status {
        if (!date) return error(QL_INVALID_ARGUMENT, "ql_chat_date: date is NULL");
        QL_ASSIGN(const ql::Date day, text ? ql::read_date(text) : ql::today());
        std::memcpy(date, ql::date_text(day).c_str(), QL_DATE_SIZE);
        return {};
    });
}

ql_status ql_chat_render(const ql_model * model, const ql_chat_options * options, const char * const * roles,
                         const char * const * contents, int n, char ** text) {
    return ql::guarded([&]() -> Status {
        if (!model || (n > 0 && (!roles || !contents)) || n < 0 || !text)
            return error(QL_INVALID_ARGUMENT, "ql_chat_render: an argument is NULL");
        const ql::Tokenizer * tokenizer = model->model->tokenizer();
        if (!tokenizer)
            return error(QL_INVALID_ARGUMENT, "%s: the model has no tokenizer", model->model->path().c_str());
        ql_chat_options defaults;
        ql_chat_options_init(&defaults);
        QL_ASSIGN(const ql_chat_options o, ql::take_struct(options, defaults));
        const std::string source = o.chat_template ? o.chat_template : model->model->chat_template();
        QL_ASSIGN(const ql::Date day, o.date ? ql::read_date(o.date) : ql::today());
        QL_ASSIGN(const auto chat, ql::open_chat_template(source, *tokenizer, ql::date_text(day),
                                                            o.chat_template_kwargs ? o.chat_template_kwargs : ""));
        std::vector<ql::Message> messages;
        for (int i = 0; i < n; ++i) messages.push_back({roles[i] ? roles[i] : "", contents[i] ? contents[i] : ""});
        QL_ASSIGN(const std::string rendered, chat.render(messages, true));
        return give_text(rendered, text);
    });
}

}  // extern "C"
