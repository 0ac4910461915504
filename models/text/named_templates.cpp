// The templates that come with the program, for models whose own is missing or not understood.
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "models/text/chat_template.hpp"

namespace ql {

namespace {

/// <|im_start|>role ... <|im_end|>
constexpr const char kChatMl[] = R"({%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}
)";

constexpr const char kSmolLm2[] = R"({%- if messages[0].role != 'system' -%}
{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}
{%- endif -%}
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}
)";

constexpr const char kQwen25[] = R"({%- if messages[0].role != 'system' -%}
{{ '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}
{%- endif -%}
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}
)";

constexpr const char kLlama3[] = R"({{- bos_token -}}
{%- for message in messages -%}
{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif -%}
)";

/// A system message goes in front of the first user's.
constexpr const char kMistral[] = R"({{- bos_token -}}
{%- set state = namespace(system='') -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- set state.system = message.content + '\n\n' -%}
{%- elif message.role == 'user' -%}
{{ '[INST] ' + state.system + message.content + ' [/INST]' }}
{%- set state.system = '' -%}
{%- elif message.role == 'assistant' -%}
{{ ' ' + message.content + eos_token }}
{%- else -%}
{{ raise_exception('the role ' + message.role + ' is not known to this template') }}
{%- endif -%}
{%- endfor -%}
)";

constexpr const char kGemma[] = R"({{- bos_token -}}
{%- set state = namespace(system='') -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- set state.system = message.content | trim + '\n\n' -%}
{%- else -%}
{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}
{{- state.system + message.content | trim + '<end_of_turn>\n' }}
{%- set state.system = '' -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif -%}
)";

constexpr const char kPhi3[] = R"({%- for message in messages -%}
{{ '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif -%}
)";

constexpr const char kZephyr[] = R"({%- for message in messages -%}
{{ '<|' + message.role + '|>\n' + message.content + eos_token + '\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif -%}
)";

/// For base models: plain words, no special tokens but EOS.
constexpr const char kAlpaca[] = R"({%- for message in messages -%}
{%- if message.role == 'system' -%}
{{ message.content + '\n\n' }}
{%- elif message.role == 'assistant' -%}
{{ '### Response:\n' + message.content + eos_token + '\n\n' }}
{%- else -%}
{{ '### Instruction:\n' + message.content + '\n\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '### Response:\n' }}{% endif -%}
)";

constexpr std::array<NamedTemplate, 9> kTemplates = {{
    {"chatml", kChatMl, "<|im_start|>role ... <|im_end|>; no default system message"},
    {"smollm2", kSmolLm2, "SmolLM2: chatml with its default system message"},
    {"qwen2.5", kQwen25, "Qwen 2 and 2.5: chatml with its default system message"},
    {"llama3", kLlama3, "Llama 3, 3.1, 3.2, 3.3 without tools"},
    {"mistral", kMistral, "Mistral and Mixtral Instruct: [INST] ... [/INST]"},
    {"gemma", kGemma, "Gemma 1, 2 and 3"},
    {"phi3", kPhi3, "Phi-3 and Phi-3.5"},
    {"zephyr", kZephyr, "Zephyr and TinyLlama Chat"},
    {"alpaca", kAlpaca, "base models: ### Instruction: ... ### Response:"},
}};

}  // namespace

std::span<const NamedTemplate> named_templates() {
    return kTemplates;
}

Result<std::string> chat_template_source(const std::string & name_or_file) {
    std::string names;
    for (const NamedTemplate & row : kTemplates) {
        if (name_or_file == row.name) return std::string(row.source);
        names += (names.empty() ? "" : ", ") + std::string(row.name);
    }
    std::error_code failed;
    if (!std::filesystem::exists(name_or_file, failed))
        return error(QL_NOT_FOUND, "--chat-template %s: neither a file nor one of: %s", name_or_file.c_str(),
                     names.c_str());
    if (!std::filesystem::is_regular_file(name_or_file, failed))
        return error(QL_IO, "--chat-template %s: not a file", name_or_file.c_str());
    const uintmax_t size = std::filesystem::file_size(name_or_file, failed);
    if (size > 256 * 1024)
        return error(QL_BAD_FILE, "--chat-template %s: larger than 256 KiB, so no chat template", name_or_file.c_str());
    std::ifstream file(name_or_file, std::ios::binary);
    std::ostringstream content;
    if (!file || (size > 0 && !(content << file.rdbuf())) || file.bad())
        return error(QL_IO, "--chat-template %s: cannot be read: %s", name_or_file.c_str(), std::strerror(errno));
    std::string source = content.str();
    if (source.find_first_not_of(" \t\r\n") == source.npos)
        return error(QL_BAD_FILE, "--chat-template %s: the file is empty; a template in Jinja is needed, or one of: %s",
                     name_or_file.c_str(), names.c_str());
    return source;
}

}  // namespace ql
