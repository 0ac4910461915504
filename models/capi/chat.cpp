// extern "C": rendering of conversations (ql/generate.h)
#include <cstdlib>
#include <cstring>

#include "models/arch/model.hpp"
#include "models/capi/guard.hpp"
#include "models/data/render.hpp"
#include "ql/generate.h"

using ql::error;
using ql::Status;

extern "C" ql_status ql_chat_render(const ql_model * model, const char * chat_template, const char * const * roles,
                                    const char * const * contents, int n, char ** text) {
    return ql::guarded([&]() -> Status {
        if (!model || (n > 0 && (!roles || !contents)) || n < 0 || !text)
            return error(QL_INVALID_ARGUMENT, "ql_chat_render: an argument is NULL");
        const ql::Tokenizer * tokenizer = model->model->tokenizer();
        if (!tokenizer)
            return error(QL_INVALID_ARGUMENT, "%s: the model has no tokenizer", model->model->path().c_str());
        QL_ASSIGN(const auto chat, ql::open_chat_template(model->model->chat_template(),
                                                          chat_template ? chat_template : "", *tokenizer));
        std::vector<ql::Message> messages;
        for (int i = 0; i < n; ++i) messages.push_back({roles[i] ? roles[i] : "", contents[i] ? contents[i] : ""});
        QL_ASSIGN(const std::string rendered, chat.render(messages, true));
        *text = static_cast<char *>(std::malloc(rendered.size() + 1));
        if (!*text) return error(QL_NO_MEMORY, "out of memory");
        std::memcpy(*text, rendered.c_str(), rendered.size() + 1);
        return {};
    });
}
