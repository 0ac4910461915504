// Only the encoding of protocol buffers that the file uses: fields of numbers, of 4 bytes, and of a length and bytes
// (protobuf.dev, "Encoding"). Field numbers are those of sentencepiece_model.proto; unknown ones are skipped, as the
// format demands.
#include "models/text/sentence_piece_model.hpp"

#include <cstring>

namespace ql {
namespace {

struct Field {
    uint32_t number = 0;
    uint64_t value = 0;      // of a number, or the bits of a float
    std::string_view bytes;  // of a message or a string
};

class Reader {
  public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}

    bool at_end() const { return rest_.empty(); }

    Status next(Field & field) {
        field = {};
        uint64_t key = 0;
        QL_TRY(varint(key));
        field.number = static_cast<uint32_t>(key >> 3);
        switch (key & 7) {
            case 0:
                return varint(field.value);
            case 1:
                return fixed(8, field.value);
            case 2: {
                uint64_t size = 0;
                QL_TRY(varint(size));
                if (size > rest_.size()) return broken();
                field.bytes = rest_.substr(0, size);
                rest_.remove_prefix(size);
                return {};
            }
            case 5:
                return fixed(4, field.value);
            default:
                return broken();
        }
    }

  private:
    static Status broken() { return error(QL_BAD_FILE, "tokenizer.model: is no SentencePiece model, or is cut short"); }

    Status varint(uint64_t & value) {
        value = 0;
        for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            const auto byte = static_cast<unsigned char>(rest_[0]);
            rest_.remove_prefix(1);
            value |= static_cast<uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80) return {};
        }
        return broken();
    }

    Status fixed(size_t size, uint64_t & value) {
        if (rest_.size() < size) return broken();
        for (size_t i = 0; i < size; i++) value |= uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
        rest_.remove_prefix(size);
        return {};
    }

    std::string_view rest_;
};

template <typename Visit>
Status each_field(std::string_view message, Visit visit) {
    for (Reader reader(message); !reader.at_end();) {
        Field field;
        QL_TRY(reader.next(field));
        QL_TRY(visit(field));
    }
    return {};
}

Status unsupported(const char * what) {
    return error(QL_UNSUPPORTED, "tokenizer.model: %s is not supported", what);
}

Status read_piece(std::string_view message, Vocab & vocab) {
    std::string text;
    float score = 0;
    uint64_t type = 1;
    QL_TRY(each_field(message, [&](const Field & field) -> Status {
        const auto bits = static_cast<uint32_t>(field.value);
        if (field.number == 1) text = field.bytes;
        if (field.number == 2) std::memcpy(&score, &bits, sizeof score);
        if (field.number == 3) type = field.value;
        return {};
    }));
    if (type < 1 || type > 6)  // the numbers are GGUF's
        return error(QL_BAD_FILE, "tokenizer.model: piece %zu has no known type", vocab.tokens.size());
    vocab.tokens.push_back(std::move(text));
    vocab.scores.push_back(score);
    vocab.types.push_back(static_cast<TokenType>(type));
    return {};
}

Status read_trainer(std::string_view message, Vocab & vocab) {
    uint64_t model_type = 1;  // 1 unigram, 2 BPE, 3 words, 4 characters
    bool space_behind = false;
    QL_TRY(each_field(message, [&](const Field & field) -> Status {
        const auto id = static_cast<int32_t>(field.value);
        if (field.number == 3) model_type = field.value;
        if (field.number == 24) space_behind = field.value != 0;
        if (field.number == 40) vocab.unknown = id;
        if (field.number == 41) vocab.bos = id;
        if (field.number == 42) vocab.eos = id;
        if (field.number == 43) vocab.padding = id;
        return {};
    }));
    if (model_type != 1 && model_type != 2)
        return unsupported("another algorithm than BPE and Unigram (its trainer_spec.model_type)");
    if (model_type == 1) vocab.kind = TokenizerKind::kUnigram;
    if (space_behind) return unsupported("treat_whitespace_as_suffix");
    return {};
}

Status read_normalizer(std::string_view message, Vocab & vocab) {
    bool prefix = true, removes_spaces = true, escapes_spaces = true;
    std::string_view rules;
    QL_TRY(each_field(message, [&](const Field & field) -> Status {
        if (field.number == 2) rules = field.bytes;
        if (field.number == 3) prefix = field.value != 0;
        if (field.number == 4) removes_spaces = field.value != 0;
        if (field.number == 5) escapes_spaces = field.value != 0;
        return {};
    }));
    if (!escapes_spaces) return unsupported("escape_whitespaces false");
    vocab.add_space_prefix = prefix;
    if (vocab.kind == TokenizerKind::kUnigram) {
        auto steps = sentence_piece_steps(rules, prefix, removes_spaces);
        if (!steps.ok()) return error(steps.code(), "tokenizer.model: %s", steps.message().c_str());
        vocab.normalizer = std::move(steps).value();
        return {};
    }
    if (!rules.empty()) return unsupported("a normalizer with rules (precompiled_charsmap)");
    if (removes_spaces) return unsupported("remove_extra_whitespaces");
    return {};
}

}  // namespace

Result<Vocab> read_sentence_piece_model(std::string_view bytes) {
    Vocab vocab;
    vocab.kind = TokenizerKind::kSentencePiece;
    vocab.add_bos = true;
    vocab.unknown = 0, vocab.bos = 1, vocab.eos = 2;
    std::string_view trainer, normalizer;
    QL_TRY(each_field(bytes, [&](const Field & field) -> Status {
        if (field.number == 1) return read_piece(field.bytes, vocab);
        if (field.number == 2) trainer = field.bytes;
        if (field.number == 3) normalizer = field.bytes;
        return {};
    }));
    if (trainer.empty()) return error(QL_BAD_FILE, "tokenizer.model: trainer_spec is missing: the kind is not known");
    QL_TRY(read_trainer(trainer, vocab));
    if (vocab.kind == TokenizerKind::kUnigram && normalizer.empty())
        return error(QL_BAD_FILE, "tokenizer.model: normalizer_spec is missing");
    QL_TRY(read_normalizer(normalizer, vocab));
    if (vocab.bos < 0) vocab.add_bos = false;
    if (vocab.kind == TokenizerKind::kUnigram) {
        vocab.log_probabilities.assign(vocab.scores.begin(), vocab.scores.end());
        vocab.scores.clear();
        vocab.byte_fallback = true;  // where its pieces are
    }
    return vocab;
}

}  // namespace ql
