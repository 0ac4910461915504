// Chat templates: any text is a template that renders, or is refused; trained spans lie in what was rendered, in order.
#include <vector>

#include "fuzz/fuzz.hpp"
#include "models/text/chat_template.hpp"

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
    static const std::vector<std::string> ends = {"</s>", "<|im_end|>"};
    const auto prompt = chat->render(messages, true);
    require(prompt.ok() || prompt.code() != QL_INTERNAL, "a fault of the library");
    const auto rendered = chat->render_for_training(messages, ends);
    if (!rendered.ok()) {
        require(rendered.code() != QL_INTERNAL && !rendered.message().empty(), "a failure without words");
        return 0;
    }
    size_t at = 0;
    for (const ql::Span & span : rendered->trained) {
        require(span.begin >= at && span.end >= span.begin, "spans out of order");
        at = span.end;
    }
    require(at <= rendered->text.size(), "a span past the end");
    return 0;
}
