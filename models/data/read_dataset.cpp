#include "models/data/read_dataset.hpp"

#include <algorithm>

#include "models/base/utf8.hpp"
#include "models/data/data_files.hpp"
#include "models/data/each_record.hpp"
#include "models/data/render.hpp"
#include "models/data/source.hpp"

namespace ql {
namespace {

constexpr size_t kLongestText = size_t{1} << 31;  // the tokenizer's limit

class Reader {
  public:
    Reader(const std::vector<std::string> & files, const Tokenizer & tokenizer, const ChatTemplate * chat,
           const ReadOptions & options)
        : files_(files), tokenizer_(tokenizer), renderer_(tokenizer, chat, options.parts), options_(options) {}

    Result<ReadSamples> run() {
        for (; static_cast<size_t>(file_) < files_.size(); ++file_) QL_TRY(read_file());
        return finish();
    }

  private:
    const std::string & path() const { return files_[static_cast<size_t>(file_)]; }

    Status read_file() {
        QL_ASSIGN(const std::string text, read_data_file(path()));
        if (is_plain_text(path())) {
            if (!options_.parts.words && !options_.parts.all)
                return error(QL_UNSUPPORTED, "%s: a plain text has no thoughts or calls of tools to train on",
                             path().c_str());
            if (text.size() >= kLongestText)
                return error(QL_UNSUPPORTED, "%s: a text of 2 GiB or more; split the file", path().c_str());
            if (!is_well_formed_utf8(text))
                return error(QL_BAD_FILE, "%s: the text is not UTF-8; save it as UTF-8, or convert it with iconv",
                             path().c_str());
            for (TokenSample & sample : renderer_.windows(text, options_.ctx)) {
                Sample source;
                source.kind = Sample::Kind::text;
                QL_TRY(add(std::move(sample), std::move(source)));
            }
            return {};
        }
        return for_each_record(text, path(), [&](std::string_view json, int64_t line, const std::string & fault) {
            return count(fault.empty() ? read(json, line) : error(QL_BAD_FILE, "%s", fault.c_str()), line);
        });
    }

    /// What became of the sample that begins on a line.
    Status count(const Status & status, int64_t line) {
        if (status.ok()) return {};
        if (!options_.skip_bad_lines || status.code() == QL_NOT_FOUND || too_long_) return at_line(status, line);
        if (++out_.counts.bad <= static_cast<int64_t>(kShownBadLines))
            out_.counts.bad_lines.push_back(at_line(status, line).message());
        return {};
    }

    Status at_line(const Status & status, int64_t line) const { return ql::at_line(status, path(), line); }

    Status read(std::string_view json, int64_t line) {
        QL_ASSIGN(Sample sample, parse_sample(json, line, options_.columns));
        QL_ASSIGN(const Rendered rendered, renderer_.render(sample));
        for (const size_t i : rendered.shortened) {
            Sample part = sample;
            part.messages.resize(i + 1);
            QL_ASSIGN(Rendered last, renderer_.render_last(part));
            keep_last_answer(last);
            QL_TRY(add(last, std::move(part)));
        }
        if (!rendered.shortened.empty() && rendered.answers.empty()) return {};
        return add(rendered, std::move(sample));
    }

    /// The other answers of the sample are trained elsewhere.
    static void keep_last_answer(Rendered & rendered) {
        if (rendered.answers.empty()) return;
        rendered.answers = {rendered.answers.back()};
        std::vector<Span> & trained = rendered.trained;
        std::erase_if(trained, [&](const Span & span) { return span.end <= rendered.answers[0].begin; });
        if (!trained.empty()) trained[0].begin = std::max(trained[0].begin, rendered.answers[0].begin);
    }

    Status add(const Rendered & rendered, Sample sample) {
        if (rendered.text.size() >= kLongestText) return error(QL_UNSUPPORTED, "a sample of 2 GiB or more");
        TokenSample tokens = renderer_.tokenize(rendered, sample.line);
        if (tokens.n_trained() == 0)
            return error(QL_BAD_FILE, "no token of it carries loss: there is nothing to train%s",
                         options_.parts.whole_answers() ? "" : " (--train-on)");
        return add(std::move(tokens), std::move(sample));
    }

    Status add(TokenSample tokens, Sample source) {
        const auto length = static_cast<int64_t>(tokens.tokens.size());
        out_.counts.longest = std::max(out_.counts.longest, length);
        if (length > options_.ctx) {
            if (options_.long_policy == QL_LONG_ERROR) {
                too_long_ = true;
                return error(QL_BAD_FILE,
                             "%lld tokens, more than --ctx %lld; use --long cut or --long drop, or a larger --ctx",
                             static_cast<long long>(length), static_cast<long long>(options_.ctx));
            }
            tokens.tokens.resize(static_cast<size_t>(options_.ctx));
            tokens.trained.resize(static_cast<size_t>(options_.ctx));
            if (options_.long_policy == QL_LONG_DROP || tokens.n_trained() == 0) return ++out_.counts.dropped, Status();
            ++out_.counts.cut;
        }
        out_.counts.ended += trains_an_end(tokens);
        out_.samples.push_back(std::move(tokens));
        source.file = file_;
        out_.sources.push_back(std::move(source));
        return {};
    }

    bool trains_an_end(const TokenSample & sample) const {
        for (size_t i = 1; i < sample.tokens.size(); ++i)
            if (sample.trained[i] && tokenizer_.is_end_of_generation(sample.tokens[i])) return true;
        return false;
    }

    Result<ReadSamples> finish() {
        if (!out_.samples.empty()) return std::move(out_);
        const DatasetCounts & c = out_.counts;
        if (c.bad + c.dropped == 0)
            return error(QL_BAD_FILE, "%s: no sample is in %s", names_of_files(files_).c_str(),
                         files_.size() > 1 ? "these files" : "this file");
        const std::string first_bad = c.bad_lines.empty() ? "" : "; the first bad one: " + c.bad_lines[0];
        return error(QL_BAD_FILE, "%s: no sample to train on is left (%lld bad, %lld too long for --ctx %lld)%s",
                     names_of_files(files_).c_str(), static_cast<long long>(c.bad), static_cast<long long>(c.dropped),
                     static_cast<long long>(options_.ctx), first_bad.c_str());
    }

    const std::vector<std::string> & files_;
    int32_t file_ = 0;
    const Tokenizer & tokenizer_;
    SampleRenderer renderer_;
    ReadOptions options_;
    ReadSamples out_;
    bool too_long_ = false;
};

}  // namespace

Result<ReadSamples> read_dataset(const std::vector<std::string> & files, const Tokenizer & tokenizer,
                                 const ChatTemplate * chat, const ReadOptions & options) {
    if (options.ctx < 2)
        return error(QL_INVALID_ARGUMENT, "ctx %lld: at least 2 tokens are needed",
                     static_cast<long long>(options.ctx));
    return Reader(files, tokenizer, chat, options).run();
}

}  // namespace ql
