#include "models/text/generation_blocks.hpp"

#include <algorithm>

namespace ql {

using jinja::Run;

namespace {

struct Block {
    Span span;
    bool trained = false, left_out = false;  // holds bytes of such an answer
    bool is_bare() const { return !trained && !left_out; }
};

std::vector<Block> find_blocks(const std::vector<Run> & runs, std::span<const Message> messages) {
    std::vector<Block> blocks;
    for (const Run & run : runs) {
        if (!run.generated) continue;
        if (blocks.empty() || blocks.back().span.end != run.begin) blocks.push_back({{run.begin, run.begin}});
        blocks.back().span.end = run.end;
        if (run.source >= 0)
            (messages[static_cast<size_t>(run.source)].trained ? blocks.back().trained : blocks.back().left_out) = true;
    }
    return blocks;
}

/// The first answer to train that was written, but in no block; -1 if there is none.
int64_t find_answer_outside(const std::vector<Run> & runs, std::span<const Message> messages) {
    std::vector<char> written(messages.size()), in_block(messages.size());
    for (const Run & run : runs)
        if (run.source >= 0) (run.generated ? in_block : written)[static_cast<size_t>(run.source)] = 1;
    for (size_t i = 0; i < messages.size(); ++i)
        if (messages[i].role == "assistant" && messages[i].trained && written[i] && !in_block[i])
            return static_cast<int64_t>(i);
    return -1;
}

}  // namespace

Result<std::vector<Span>> generated_spans(const jinja::Text & text, std::span<const Message> messages) {
    const std::vector<Block> blocks = find_blocks(text.runs(), messages);
    const bool any_bare = std::any_of(blocks.begin(), blocks.end(), [](const Block & b) { return b.is_bare(); });
    if (std::all_of(blocks.begin(), blocks.end(), [](const Block & b) { return b.is_bare(); }))
        return std::vector<Span>();
    // A block without an answer's bytes may stand for an empty answer; beside an answer outside of all blocks it does
    // not.
    if (const int64_t outside = any_bare ? find_answer_outside(text.runs(), messages) : -1; outside >= 0)
        return error(QL_UNSUPPORTED,
                     "chat template: the answer in message %lld stands outside of the {%% generation %%} blocks, which "
                     "hold only what follows it; another template can be given with --chat-template",
                     static_cast<long long>(outside + 1));
    const bool any_left_out =
        std::any_of(messages.begin(), messages.end(), [](const Message & m) { return !m.trained; });
    std::vector<Span> spans;
    for (const Block & block : blocks) {
        if (block.trained && block.left_out)
            return error(QL_UNSUPPORTED,
                         "chat template: an answer that is trained and one that is left out of the loss stand in one "
                         "{%% generation %%} block; another template can be given with --chat-template");
        if (block.trained || !any_left_out) spans.push_back(block.span);
    }
    return spans;
}

}  // namespace ql
