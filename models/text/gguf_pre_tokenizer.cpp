// Which known pre-tokenizer a tokenizer.json's steps are: by what both make of a text in which the known ones differ.
#include "models/text/pre_tokenizer.hpp"
#include "models/text/pre_tokenizer_names.hpp"
#include "models/text/vocab_gguf.hpp"

namespace ql {
namespace {

using Words = std::vector<std::string_view>;

Words words_of(const PreTokenizer & pre, std::string_view text) {
    Words words;
    pre.split(text, words);
    return words;
}

/// Those that llama.cpp reads otherwise than the files say, where letters have two cases or marks (pre_tokenizer.cpp).
bool is_read_otherwise(std::string_view name) {
    return name == "tekken" || name == "gpt-4o";
}

/// How well a known one fits: 0 not at all. Names that cut alike differ in whether a bos is added where no key says it.
int fit(const PreTokenizer & steps, const PreTokenizer & known, std::string_view name, const Vocab & vocab) {
    const std::string plain = tokenizer_probe(false), cased = tokenizer_probe(true);
    if (known.traits().ignore_merges != vocab.ignore_merges) return 0;
    if (words_of(steps, plain) != words_of(known, plain)) return 0;
    const bool everywhere = words_of(steps, cased) == words_of(known, cased);
    if (!everywhere && !is_read_otherwise(name)) return 0;
    return 1 + 2 * everywhere + (known.traits().add_bos == vocab.add_bos);
}

}  // namespace

std::string tokenizer_probe(bool cased) {
    std::string text =
        "I'll say: it's we'VE they'Re don'T 'S\n\n  x = 1234567 + 3.14;\t\tcamelCase HTTPServer aB AbC\r\n"
        "   ...!!! foo_bar/baz//\n/ \n  \n \xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C 12 "
        "\xE3\x81\x93\xE3\x82\x93\xE3\x81\xAB\xE3\x81\xA1\xE3\x81\xAF\xE3\x82\xAB\xE3\x83\x8A "
        "(a)[b]{c} #tag @you "
        "$9.99 \xE2\x82\xAC"
        "5 50% a-b--c \"quoted\" <|x|> \xF0\x9F\x98\x80\xF0\x9F\x98\x80 \xC2\xA0nb \xE2\x80\x83wide "
        "\xD9\xA1\xD9\xA2\xD9\xA3\xD9\xA4 end  ";
    if (cased)
        text +=
            " \xC3\x89"
            "cole na\xC3\xAFve \xC3\x9C"
            "ber STRA\xC3\x9F"
            "E \xE0\xA4\xA8\xE0\xA4\xAE\xE0\xA4\xB8\xE0\xA5\x8D\xE0\xA4\xA4\xE0\xA5\x87 "
            "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\x95\xD0\xA2 \xCE\x91\xCE\xB8\xCE\xAE\xCE\xBD\xCE\xB1 ";
    return text;
}

Result<std::string> gguf_pre_tokenizer(const Vocab & vocab) {
    if (!vocab.pre.empty()) return vocab.pre;
    QL_ASSIGN(const PreTokenizer steps, PreTokenizer::create(vocab.pre_steps));
    std::string best;
    int best_fit = 0;
    for (const std::string & name : pre_tokenizer_names()) {
        QL_ASSIGN(const PreTokenizer known, PreTokenizer::create(name));
        const int how = fit(steps, known, name, vocab);
        if (how > best_fit) best = name, best_fit = how;
    }
    if (best_fit > 0) return best;
    return error(QL_UNSUPPORTED,
                 "tokenizer.json: no pre-tokenizer that GGUF files can name cuts text as its steps do%s",
                 vocab.ignore_merges ? " (ignore_merges)" : "");
}

}  // namespace ql
