// Programs as a person meets them: in a terminal, of any width.
#include "programs/terminal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "programs/workspace.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

TEST(Screen, ShowsWhatATerminalShows) {
    Screen screen(10);
    screen.write("abc\rxy\033[K\r\n0123456789\r\033[Kdone\r\n\033[31mred\033[0m é\b.\r\n");
    EXPECT_EQ(screen.text(), "xy\ndone\nred .\n");
    screen.write("0123456789AB");
    EXPECT_EQ(screen.text(), "xy\ndone\nred .\n0123456789\nAB\n");
    screen.write("\r\033[1A\033[2Kup\033[5");
    screen.write("J");
    EXPECT_EQ(screen.text(), "xy\ndone\nred .\nupESC[5J\nAB\n");
    EXPECT_EQ(screen.count("d"), 2);
    Screen edited(20);
    edited.write("abcdef\r\033[C\033[2G\033[2P\033[@X\r\nbelow\033[A");
    EXPECT_EQ(edited.text(), "aXdef\nbelow\n");
    edited.write("\033[J");
    EXPECT_EQ(edited.text(), "aXdef\n");
}

/// "... ETA 8 s"
bool ends_with_time_left(const std::string & row) {
    static const std::regex time("  ETA ([0-9]+ s|[0-9:]+)$");
    return std::regex_search(row, time);
}

class InTerminal : public testing::Test {
  protected:
    void SetUp() override {
        if (!Terminal::is_there_any()) GTEST_SKIP() << "this system has no pseudo-terminals: /dev/pts is not mounted";
    }
    std::vector<std::string> words(const std::string & line) const { return workspace_.arguments(line); }
    std::string training(const std::string & more) const {
        return "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --lora-r 4 --grad-accum 1 " + more;
    }
    /// A run whose batches take seconds: there is time to ask twice.
    std::string slow() const { return training("--batch 2048 --steps 100000 --save-every 1"); }
    bool exists(const std::string & name) const { return std::filesystem::exists(workspace_.path(name)); }

    Workspace workspace_;
};

TEST_F(InTerminal, TheBarKeepsToOneLineOfAnyWidth) {
    for (const int columns : {60, 200}) {
        Terminal t("ql-finetune", words(training("--steps 60 --overwrite --eval-data {data.jsonl} --eval-every 20")),
                   columns);
        int bars = 0, widest = 0, seen = 0, late = 0;
        std::string cut;
        const auto look = [&](const Screen & screen) {
            bars = std::max(bars, screen.count("train "));
            seen += screen.count("train ") > 0;
            for (const std::string & row : screen.rows())
                if (row.starts_with("train ")) {
                    widest = std::max(widest, static_cast<int>(row.size()));
                    if (row.find("step ") == row.npos || row.find("step 1,") != row.npos) continue;  // before the first
                    ++late;
                    if (!ends_with_time_left(row)) cut = row;
                }
        };
        EXPECT_EQ(0, t.finish(look)) << t.screen().text();
        EXPECT_GT(seen, 0) << t.screen().text();
        EXPECT_EQ(1, bars) << "a bar that wraps leaves pieces";
        EXPECT_LT(widest, columns);
        EXPECT_GT(late, 0);
        EXPECT_EQ(cut, "") << "the time left is what a person looks for";
        EXPECT_GT(widest, columns == 200 ? 60 : 20);
        EXPECT_EQ(0, t.screen().count("train ")) << t.screen().text();
        EXPECT_EQ(0, t.screen().count("ESC"));
        for (const char * stays : {"ql-finetune 0", "model    ", "plan     ", "eval     before", "eval     step 20",
                                   "eval     step 40", "eval     after", "Talk to it:"})
            EXPECT_EQ(1, t.screen().count(stays)) << stays << "\n" << t.screen().text();
    }
}

TEST_F(InTerminal, ANarrowerWindowIsSeen) {
    Terminal t("ql-finetune", words(training("--steps 100000")), 200);
    ASSERT_TRUE(t.wait_for("train ")) << t.screen().text();
    t.resize(50);
    const std::string before = t.screen().text();
    int widest = 0;
    const int code = t.finish([&](const Screen & screen) {
        if (widest > 0 || screen.text() == before) return;
        for (const std::string & row : screen.rows())
            if (row.starts_with("train ")) widest = static_cast<int>(row.size());
        if (widest > 0) t.press_ctrl_c();
    });
    EXPECT_GT(widest, 0);
    EXPECT_LT(widest, 50);
    EXPECT_EQ(130, code);
}

TEST_F(InTerminal, SaysSomethingBeforeItReadsTheModel) {
    double least = 1e9;
    for (int i = 0; i < 3; ++i) {  // a machine may be busy once
        Terminal t("ql-finetune", words(training("--steps 1 --overwrite")), 80);
        ASSERT_TRUE(t.wait_for("device   cpu")) << t.screen().text();
        least = std::min(least, t.seconds());
        EXPECT_EQ(0, t.finish()) << t.screen().text();
    }
    EXPECT_LT(least, 0.5);
}

TEST_F(InTerminal, CtrlCIsAnsweredAtOnceAndSaves) {
    Terminal t("ql-finetune", words(slow()), 80);
    ASSERT_TRUE(t.wait_for("train ")) << t.screen().text();
    t.press_ctrl_c();
    const double pressed = t.seconds();
    ASSERT_TRUE(t.wait_for("finishing this batch, then saving; again to quit without saving")) << t.screen().text();
    EXPECT_LT(t.seconds() - pressed, 1);
    EXPECT_EQ(130, t.finish()) << t.screen().text();
    EXPECT_NE(t.screen().text().find("--resume auto"), std::string::npos) << t.screen().text();
    EXPECT_TRUE(exists("a.gguf.ckpt"));
    EXPECT_EQ(0, workspace_.run("ql-finetune", "--export-from {a.gguf.ckpt} -o {so-far.gguf} -q").code);
}

TEST_F(InTerminal, CtrlCTwiceLeavesTheLastCheckpoint) {
    Terminal t("ql-finetune", words(slow()), 80);
    ASSERT_TRUE(t.wait_for("step 2/")) << t.screen().text();
    t.press_ctrl_c();
    ASSERT_TRUE(t.wait_for("again to quit")) << t.screen().text();
    t.press_ctrl_c();
    EXPECT_EQ(130, t.finish()) << t.screen().text();
    EXPECT_NE(t.screen().text().find("ended without saving; go on with: ql-finetune"), std::string::npos)
        << t.screen().text();
    EXPECT_TRUE(exists("a.gguf.ckpt/step-00000001.gguf"));
    EXPECT_EQ(0, workspace_.run("ql-finetune", "--export-from {a.gguf.ckpt} -o {so-far.gguf} -q").code);
}

TEST_F(InTerminal, CtrlCTwiceBeforeAnyCheckpointPromisesNone) {
    Terminal t("ql-finetune", words(training("--batch 2048 --steps 100000 --save-every 100000")), 80);
    ASSERT_TRUE(t.wait_for("plan     ")) << t.screen().text();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // the first step takes seconds
    t.press_ctrl_c();
    ASSERT_TRUE(t.wait_for("again to quit without saving")) << t.screen().text();
    t.press_ctrl_c();
    EXPECT_EQ(130, t.finish()) << t.screen().text();
    EXPECT_NE(t.screen().text().find("ended; nothing was saved yet"), std::string::npos) << t.screen().text();
    EXPECT_EQ(t.screen().text().find("--resume auto"), std::string::npos) << t.screen().text();
    EXPECT_FALSE(exists("a.gguf.ckpt")) << "nothing is in it, not even the lock";
}

TEST_F(InTerminal, AChatAnswersAndEnds) {
    Terminal t("ql-chat", words("-m {model.gguf} -n 4"), 60);
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen().text();
    t.type("hello\r");
    ASSERT_TRUE(t.wait_for("> hello\n")) << t.screen().text();
    t.type("\x04");  // Ctrl-D, while it answers or at the next prompt
    EXPECT_EQ(0, t.finish()) << t.screen().text();
}

TEST_F(InTerminal, CtrlCAtThePromptHintsBeforeItEnds) {
    Terminal t("ql-chat", words("-m {model.gguf} -n 4"), 80);
    const std::string hint = "Ctrl-C again, Ctrl-D or /exit ends the chat";
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen().text();
    t.type("half a line");
    ASSERT_TRUE(t.wait_for("> half a line")) << "a terminal drops what was typed and not read: " << t.screen().text();
    t.press_ctrl_c();
#ifdef QL_LIBEDIT
    ASSERT_TRUE(t.wait_for("> half a line\n>")) << "no hint: it took back what was typed: " << t.screen().text();
    t.press_ctrl_c();
#endif
    ASSERT_TRUE(t.wait_for(hint + "\n>")) << t.screen().text();
    t.type("/temp\r");
    ASSERT_TRUE(t.wait_for("\ntemperature 0.80\n>")) << "what was typed before is gone: " << t.screen().text();
    t.press_ctrl_c();
#ifdef QL_LIBEDIT
    const std::string line = ">\n";
#else
    const std::string line = "> ^C\n";  // what the terminal shows itself
#endif
    ASSERT_TRUE(t.wait_for("\ntemperature 0.80\n" + line + hint)) << "hinted anew: " << t.screen().text();
    t.press_ctrl_c();
    EXPECT_EQ(130, t.finish()) << t.screen().text();
}

TEST_F(InTerminal, ALineIsEditedAndSaidAgain) {
#ifndef QL_LIBEDIT
    GTEST_SKIP() << "built without libedit";
#endif
    Terminal t("ql-chat", words("-m {model.gguf} -n 4"), 80);
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen().text();
    t.type("/emp\x01\x06t\r");  // to the beginning, one to the right
    ASSERT_TRUE(t.wait_for("> /temp\ntemperature 0.80\n>")) << t.screen().text();
    t.type("/temp\xC3\xBC\x7F 0.25\r");  // a letter of two bytes is one to take back
    ASSERT_TRUE(t.wait_for("\ntemperature 0.25\n>")) << t.screen().text();
    t.type("\033[A\033[A\r");  // up, up
    ASSERT_TRUE(t.wait_for("\n> /temp\ntemperature 0.25\n>")) << t.screen().text();
    EXPECT_EQ(0, t.screen().count("ESC")) << t.screen().text();
    t.type("\x04");
    EXPECT_EQ(0, t.finish()) << t.screen().text();
}

TEST_F(InTerminal, KeysWithoutAMeaningPrintNothing) {
#ifndef QL_LIBEDIT
    GTEST_SKIP() << "built without libedit";
#endif
    Terminal t("ql-chat", words("-m {model.gguf} -n 4"), 80);
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen().text();
    t.type("/temp 0 25\033[15~\033[1;2P\033OP\033[24;5~");  // F5, F13, F1, Ctrl-F12
    t.type("\033[1;5D\033[D.\033[1;5C\033[3~5\r");          // Ctrl-Left, Left; Ctrl-Right, Delete at the end
    ASSERT_TRUE(t.wait_for("> /temp 0. 255\n")) << t.screen().text();
    t.type("/temp 99\033[H\033[C\033[C\033[F\033[1;3D\033[3~\033[3~0.5\r");  // to the last word, which goes
    ASSERT_TRUE(t.wait_for("> /temp 0.5\ntemperature 0.50\n>")) << t.screen().text();
    t.type("\033b");  // Alt-B
    t.type("\x04");
    EXPECT_EQ(0, t.finish()) << t.screen().text();
}

TEST_F(InTerminal, PastedTextIsOneMessage) {
#ifndef QL_LIBEDIT
    GTEST_SKIP() << "built without libedit";
#endif
    Terminal t("ql-chat", words("-m {model.gguf} -n 1 --temp 0"), 80);
    const std::string file = workspace_.path("said.jsonl");
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen().text();
    t.type("a \033[200~pasted\rand \xC3\xBC\r/help\r\033[201~\033\rlast\r");  // Alt-Enter before the last line
    ASSERT_TRUE(t.wait_for("last\n")) << t.screen().text();
    t.type("/save " + file + "\r");
    ASSERT_TRUE(t.wait_for("2 messages in ")) << t.screen().text();
    EXPECT_NE(read_all(file).find("\"a pasted\\nand \xC3\xBC\\n/help\\nlast\""), std::string::npos) << read_all(file);
    EXPECT_EQ(0, t.screen().count("/undo")) << "no command was obeyed";
    t.type("\x04");
    EXPECT_EQ(0, t.finish()) << t.screen().text();
}

TEST_F(InTerminal, PastedLinesEndAsTheyMay) {
#ifndef QL_LIBEDIT
    GTEST_SKIP() << "built without libedit";
#endif
    Terminal t("ql-chat", words("-m {model.gguf} -n 1 --temp 0"), 80);
    const std::string file = workspace_.path("said.jsonl");
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen().text();
    t.type("\033[200~one\r\ntwo\r\n\r\nthree\rfour\nfive\r\n\033[201~\r");
    ASSERT_TRUE(t.wait_for("five\n")) << t.screen().text();
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen().text();
    t.type("/save " + file + "\r");
    ASSERT_TRUE(t.wait_for("2 messages in ")) << t.screen().text();
    EXPECT_NE(read_all(file).find("\"one\\ntwo\\n\\nthree\\nfour\\nfive\""), std::string::npos) << read_all(file);
    t.type("\x04");
    EXPECT_EQ(0, t.finish()) << t.screen().text();
}

TEST_F(InTerminal, CtrlCTwiceInAnAnswerEndsTheAnswerAndHints) {
    TinyModelOptions wide;
    wide.n_ctx = 16384;
    write_tiny_model(workspace_.path("wide.gguf"), wide);  // a system message that takes a while to read
    Terminal t("ql-chat", words("-m {wide.gguf} -c 16384 --system " + std::string(12000, 'q')), 80);
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen().text();
    t.type("hello\r");
    ASSERT_TRUE(t.wait_for("> hello\n") && t.wait_for_no_editor()) << t.screen().text();
    t.press_ctrl_c();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // two signals at once are one
    t.press_ctrl_c();
    ASSERT_TRUE(t.wait_for("Ctrl-C again, Ctrl-D or /exit ends the chat\n")) << t.screen().text();
    ASSERT_TRUE(t.wait_for("\n>")) << "the chat goes on: " << t.screen().text();
    t.type("/temp\r");
    ASSERT_TRUE(t.wait_for("\ntemperature 0.80\n>")) << t.screen().text();
    t.type("\x04");
    EXPECT_EQ(0, t.finish()) << t.screen().text();
}

/// What was said so far is a person's work: a template that has no place for a system message does not end the chat.
TEST_F(InTerminal, AMessageThatTheTemplateRefusesIsSaidAndTheChatGoesOn) {
    workspace_.write("no-system.jinja",
                     "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}"
                     "{% endif %}{{ m.content }}\n{% endfor %}");
    Terminal t("ql-chat", words("-m {model.gguf} -n 2 --temp 0 --chat-template {no-system.jinja}"), 200);
    const std::string file = workspace_.path("said.jsonl");
    const auto says = [&](const std::string & line, const std::string & answer) {
        t.type(line + "\r");
        EXPECT_TRUE(t.wait_for(answer)) << t.screen().text();
    };
    const std::string refused =
        "ql-chat: the message is not answered: chat template, line 1: the template refuses these messages: no system "
        "here\n>";
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen().text();
    says("hello", "> hello\n");
    says("/temp", "temperature 0.00\n>");
    says("/system Be terse.", "system message set\n>");
    says("bye", "> bye\n" + refused);
    says("/retry", "> /retry\n" + refused);
    says("/system", "no system message\n>");
    says("/save " + file, "2 messages in ");
    EXPECT_NE(read_all(file).find("\"hello\""), std::string::npos) << read_all(file);
    EXPECT_EQ(read_all(file).find("\"bye\""), std::string::npos) << read_all(file);
    t.type("\x04");
    EXPECT_EQ(0, t.finish()) << t.screen().text();
}

TEST_F(InTerminal, ARunThatIsStoppedBeforeItBeganHasItsObject) {
    std::string samples;
    for (int i = 0; i < 1500; ++i) samples += tiny_chats(24);
    workspace_.write("large.jsonl", samples);
    const std::string run = "--json -m {model.gguf} -d {large.jsonl} -o {a.gguf} --ctx 64 --lora-r 4 ";
    for (const std::string more : {"", "--dry-run"}) {
        Terminal t("ql-finetune", words(run + more), 4000);
        ASSERT_TRUE(t.wait_for("device ")) << t.screen().text();  // what comes now takes a while
        t.press_ctrl_c();
        EXPECT_EQ(130, t.finish()) << t.screen().text();
        EXPECT_EQ(1, t.screen().count("stopping as soon as what is being prepared is ready")) << t.screen().text();
        EXPECT_EQ(0, t.screen().count("plan ")) << t.screen().text();
        const auto rows = t.screen().rows();
        const auto object = std::find_if(rows.begin(), rows.end(), [](const auto & r) { return r.starts_with('{'); });
        ASSERT_NE(object, rows.end()) << t.screen().text();
        const auto json = nlohmann::json::parse(*object, nullptr, false);
        ASSERT_TRUE(json.is_object()) << *object;
        EXPECT_EQ(json["interrupted"], true);
        EXPECT_EQ(json["steps"], 0);
        EXPECT_EQ(json["base_type"], "nf4_dq");
        for (const char * nothing : {"adapter", "best", "checkpoint", "loss_first", "tok_s", "lr", "bound_by"})
            EXPECT_TRUE(json[nothing].is_null()) << nothing << " in " << *object;
    }
}

TEST_F(InTerminal, AnEvaluationIsStoppedAtOnce) {
    std::string samples;
    for (int i = 0; i < 40; ++i) samples += tiny_chats(24);
    workspace_.write("large.jsonl", samples);
    for (const std::string more : {"--steps 100000", "--steps 100000 --eval-every 1"}) {
        Terminal t("ql-finetune", words(training("--batch 64 --overwrite --eval-data {large.jsonl} " + more)), 100);
        const bool in_training = more.ends_with("1");
        ASSERT_TRUE(t.wait_for(in_training ? "evaluating " : "eval ")) << t.screen().text();
        t.press_ctrl_c();
        const char * said = in_training ? "finishing this batch, then saving; again to quit without saving"
                                        : "stopping after this batch of the evaluation; again to quit at once";
        ASSERT_TRUE(t.wait_for(said)) << t.screen().text();
        EXPECT_EQ(130, t.finish()) << t.screen().text();
        EXPECT_EQ(0, t.screen().count("eval     step")) << t.screen().text();
        EXPECT_EQ(in_training, exists("a.gguf.ckpt/step-00000001.gguf")) << t.screen().text();
    }
}

}  // namespace
}  // namespace ql::test
