/* ql/chat.h - chat templates: where one comes from, and a conversation as text.
 *
 *     char * text = NULL;                                            // what `--chat-template chatml` means
 *     ql_chat_template_read("chatml", &text);
 *     ql_chat_options options;
 *     ql_chat_options_init(&options);
 *     options.chat_template = text;                                  // leave it out for the model's own
 *     ql_chat_render(model, &options, roles, contents, n, &prompt);
 *
 * A template is a program in Jinja. Everywhere but in ql_chat_template_read one is given as its text: text that
 * came with a model or an adapter is never taken for the name of a file. A stranger's template can do no more than
 * write text, and its time, memory and stack are limited. */
#ifndef QL_CHAT_H
#define QL_CHAT_H

#include "ql/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The Jinja text that a user names: a built-in template's name, else a file's content. *text is owned by the caller,
 *  freed with ql_os_free.
 *  errors  QL_NOT_FOUND: neither a name nor a file (lists the names); QL_IO, QL_BAD_FILE: larger than 256 KiB */
QL_API ql_status ql_chat_template_read(const char * name_or_file, char ** text);

#define QL_DATE_SIZE 11 /* "2024-07-26" and its NUL */
/** The day that templates are told (strftime_now), in the form in which they are told it: YYYY-MM-DD.
 *  text     a date in that form, or NULL for today where this machine is
 *  errors   QL_INVALID_ARGUMENT: another form, or a day that its month does not have */
QL_API ql_status ql_chat_date(const char * text, char date[QL_DATE_SIZE]);

typedef struct ql_chat_options {
    size_t size;                /* set by ql_chat_options_init */
    const char * chat_template; /* Jinja text; NULL: the model's own */
    const char * date;          /* what the template is told, YYYY-MM-DD; NULL: the day of the call, where this machine is */
    const char * chat_template_kwargs; /* values that the template reads by name, a JSON object such as
                                          {"enable_thinking": false}; NULL and "": none */
} ql_chat_options;
QL_API void ql_chat_options_init(ql_chat_options * options);

/** Renders a conversation (roles and contents, n of each). Ends where the assistant's answer begins. *text is owned by
 *  the caller, freed with ql_os_free.
 *  options  NULL takes the defaults
 *  errors   QL_NOT_FOUND: the model has no template; QL_UNSUPPORTED: a construct that is not known, with its line, or a
 *           text that is no template; QL_INVALID_ARGUMENT: the template refuses the messages; the date is invalid;
 *           kwargs that are no object, or that the template never reads */
QL_API ql_status ql_chat_render(const ql_model * model, const ql_chat_options * options, const char * const * roles,
                                const char * const * contents, int n, char ** text);

#ifdef __cplusplus
}
#endif
#endif
