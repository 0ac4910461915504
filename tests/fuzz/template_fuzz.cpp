// Chat templates: any text is a template that renders, or is refused; trained spans lie in what was rendered, in order.
#include <vector>

#include "fuzz/fuzz.hpp"
#include "models/text/chat_template.hpp"

namespace {

/// Spans lie in what was rendered, in order.
void check(const std::vector<ql::Span> & spans, size_t size) {
    size_t at = 0;
    for (const ql::Span & span : spans) {
        ql::fuzz::require(span.begin >= at && span.end >= span.begin, "spans out of order");
        at = span.end;
    }
    ql::fuzz::require(at <= size, "a span past the end");
}

void render(const ql::ChatTemplate & chat, const std::vector<ql::Message> & messages, const std::string & tools) {
    using ql::fuzz::require;
    static const std::vector<std::string> ends = {"</s>", "<|im_end|>"};
    const auto prompt = chat.render(messages, true, tools);
    require(prompt.ok() || prompt.code() != QL_INTERNAL, "a fault of the library");
    for (const ql::TrainedParts & parts :
         {ql::TrainedParts{}, {.reasoning = false}, {.words = false}, {.last_only = true}, {.all = true}}) {
        const auto rendered = chat.render_for_training(messages, ends, parts, tools);
        if (!rendered.ok()) {
            require(rendered.code() != QL_INTERNAL && !rendered.message().empty(), "a failure without words");
            return;
        }
        check(rendered->answers, rendered->text.size());
        check(rendered->trained, rendered->text.size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using ql::fuzz::require;
    const auto chat =
        ql::ChatTemplate::parse(std::string(reinterpret_cast<const char *>(data), size), {"<s>", "</s>"}, "2024-07-05");
    if (!chat.ok()) {
        require(chat.code() != QL_INTERNAL && !chat.message().empty(), "a failure without words");
        return 0;
    }
    static const std::vector<ql::Message> messages = {{"system", "Be brief."},
                                                      {"user", " What is 2 + 2? "},
                                                      {"assistant", "4"},
                                                      {"user", "And 3?"},
                                                      {"assistant", "6"}};
    static const std::vector<ql::Message> with_tools = [] {
        std::vector<ql::Message> all = messages;
        all[2].has_content = false;
        all[2].reasoning = "Add them.";
        all[2].tool_calls = R"([{"id": "1", "function": {"name": "add", "arguments": {"values": [2, 2.5]}}}])";
        all[3] = {"tool", "4"};
        all[3].tool_call_id = "1";
        all[4].content = "<think>x</think>6";
        return all;
    }();
    render(*chat, messages, "");
    render(*chat, with_tools, R"([{"type": "function", "function": {"name": "add"}}])");
    return 0;
}
