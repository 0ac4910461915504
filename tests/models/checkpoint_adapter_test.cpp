// The adapter in a checkpoint is the one that the run would have left then, byte for byte, whatever its kind.
#include "models/train/adapter_record.hpp"

#include "models/adapter/kinds/kind.hpp"
#include "models/trainer_fixture.hpp"
#include "ql/adapter.h"

namespace ql::test {
namespace {

struct Case {
    const char * name;
    LoraKind kind = LoraKind::lora;
    const char * start = "default";
    bool norms = false;
    const char *tokens = "", *invocation = "", *ranks = "", *alphas = "";
};

class CheckpointAdapter : public TrainerFixture {
  protected:
    Adapter made(const Case & c) const {
        LoraOptions o;
        o.r = 3, o.kind = c.kind, o.norms = c.norms, o.tokens = c.tokens, o.invocation = c.invocation;
        o.rank_pattern = c.ranks, o.alpha_pattern = c.alphas;
        auto a = new_adapter(*model_, o);
        EXPECT_TRUE(a.ok()) << c.name << ": " << a.message();
        const Status started = start_adapter(*a, *model_, {c.start, 42, 2});
        EXPECT_TRUE(started.ok()) << c.name << ": " << started.message();
        a->name = "shop", a->chat_template = "{{ messages }}";
        return std::move(a).value();
    }
    /// Six steps of twelve; the adapter as the run left it then.
    Adapter stopped(const Case & c, const std::string & dir) {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        Adapter a = made(c);
        ql_train_options o = options();
        o.checkpoint_dir = dir.c_str();
        o.on_progress = [](void *, const ql_train_progress * p) { return p->step == 6 ? 1 : 0; };
        auto trainer = Trainer::create(*model_, device.get(), a, data_, &eval_, o);
        EXPECT_TRUE(trainer.ok()) << c.name << ": " << trainer.message();
        if (!trainer.ok()) return a;
        EXPECT_EQ((*trainer)->run().code(), QL_CANCELLED);
        return a;
    }
    std::string saved(const Adapter & a) const {
        const std::string path = folder_.path("saved.gguf");
        const Status status = save_adapter(a, *model_, path);
        EXPECT_TRUE(status.ok()) << status.message();
        return read_all(path);
    }
};

TEST_F(CheckpointAdapter, IsTheOneOfTheRunWhateverItsKind) {
    const Case cases[] = {{"lora"},
                          {"ranks", LoraKind::lora, "default", false, "", "", "attn_q=2", "ffn_=8"},
                          {"norms", LoraKind::lora, "default", true},
                          {"rows", LoraKind::lora, "default", false, "the,<|im_end|>"},
                          {"invocation", LoraKind::lora, "default", false, "", "and"},
                          {"pissa", LoraKind::lora, "pissa"},
                          {"loftq", LoraKind::lora, "loftq"},
                          {"miss", LoraKind::miss},
                          {"dora", LoraKind::dora}};
    for (const Case & c : cases) {
        const std::string dir = folder_.path(std::string("ck-") + c.name);
        const std::string whole = saved(stopped(c, dir));
        for (const std::string & path : {dir, dir + "/step-00000006.gguf"}) {
            ASSERT_TRUE(holds_checkpoint(path)) << path;
            const auto read = load_checkpoint_adapter(path, model_.get(), BaseRule::kSame);
            ASSERT_TRUE(read.ok()) << c.name << ": " << read.message();
            EXPECT_TRUE(saved(*read) == whole) << c.name << ": other bytes";
            ASSERT_EQ(read->notes.size(), 1u);
            EXPECT_NE(read->notes[0].find("step-00000006.gguf: the adapter after step 6"), std::string::npos);
        }
        const auto alone = load_checkpoint_adapter(dir, nullptr, BaseRule::kAny);
        if (c.kind == LoraKind::miss)
            EXPECT_EQ(alone.status().code(), QL_INVALID_ARGUMENT) << alone.message();
        else
            EXPECT_TRUE(alone.ok() && saved(*alone) == whole) << c.name << ": " << alone.message();
    }
}

TEST_F(CheckpointAdapter, ADamagedOneIsPassedOver) {
    const std::string dir = folder_.path("ck");
    ql_train_options o = options();
    o.checkpoint_dir = dir.c_str(), o.save_every = 6;
    train(o);
    std::fstream(dir + "/step-00000012.gguf", std::ios::in | std::ios::out | std::ios::binary)
        .seekp(-9, std::ios::end)
        .put('x');
    const auto read = load_checkpoint_adapter(dir, model_.get(), BaseRule::kSame);
    ASSERT_TRUE(read.ok()) << read.message();
    EXPECT_EQ(read->origin.runs.back().steps, 6);
    EXPECT_NE(read->notes[0].find("passed over"), std::string::npos);
}

/// A record that does not fit its tensors or the model, under a checksum that fits.
TEST_F(CheckpointAdapter, ARecordThatNoRunWritesIsRefused) {
    const std::string dir = folder_.path("ck");
    (void)stopped({"lora"}, dir);
    const std::string path = dir + "/step-00000006.gguf";
    auto real = open_checkpoint(path);
    ASSERT_TRUE(real.ok()) << real.message();
    const std::string record = real->state.adapter;
    const struct {
        const char *from, *to, *said;
    } cases[] = {{"{", "[", "syntax error"},
                 {"\"k\":64", "\"k\":63", "blk.0.attn"},
                 {"\"r\":3", "\"r\":4", "another shape"},
                 {"\"r\":3", "\"r\":-1", "'r'"},
                 {"\"frozen\":0", "\"frozen\":3", "'r'"},
                 {"\"kind\":\"lora\"", "\"kind\":\"tora\"", "'kind'"},
                 {"\"weight\":\"blk.0", "\"weight\":\"blk.9", "blk.9"},
                 {"\"invocation\":[]", "\"invocation\":[-1]", "'invocation'"},
                 {"\"scale\":", "\"scale\":1e300,\"was\":", "finite"},
                 {"\"architecture\":\"llama\"", "\"architecture\":\"gemma\"", "gemma"}};
    for (const auto & c : cases) {
        Checkpoint spoilt;
        spoilt.path = path;
        ASSERT_EQ(ql_gguf_open(path.c_str(), out(spoilt.file)), QL_OK);
        spoilt.state = real->state;
        const size_t at = record.find(c.from);
        ASSERT_NE(at, record.npos) << c.from << "\n" << record.substr(0, 600);
        spoilt.state.adapter = record.substr(0, at) + c.to + record.substr(at + std::string(c.from).size());
        const auto read = adapter_of(spoilt, model_.get(), BaseRule::kSame);
        ASSERT_FALSE(read.ok()) << c.to;
        EXPECT_NE(read.message().find(c.said), std::string::npos) << read.message();
        EXPECT_TRUE(read.message().starts_with(path)) << read.message();
    }
}

TEST_F(CheckpointAdapter, OpensThroughTheCApi) {
    const std::string dir = folder_.path("ck");
    const Adapter a = stopped({"lora"}, dir);
    ql_adapter * opened = nullptr;
    ASSERT_EQ(ql_adapter_open(dir.c_str(), nullptr, &opened), QL_OK) << ql_error_message();
    ASSERT_EQ(ql_adapter_save(opened, folder_.path("out.gguf").c_str()), QL_OK) << ql_error_message();
    ql_adapter_free(opened);
    EXPECT_TRUE(read_all(folder_.path("out.gguf")) == saved(a));
}

}  // namespace
}  // namespace ql::test
