#!/usr/bin/env python3
"""The page of ql-finetune --board, asked as browsers, other sites and faulty clients ask it.

    board_test.py PROGRAMS WRITE_TINY_MODEL [unittest's arguments]
"""
import filecmp
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from board_client import Events, Run, ask, busy_run, chats, request, status, token_of  # noqa: E402

PROGRAMS = WRITER = ""
EVAL = ("--eval-split", "0.3", "--eval-every", "5")


class Board(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        subprocess.run([WRITER, self.path("model.gguf"), self.path("data.jsonl")], check=True, stdout=subprocess.DEVNULL)
        with open(self.path("data.jsonl"), "w", encoding="utf-8") as file:
            file.write(chats(48))

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_to_end(self, *more, **how):
        with Run(PROGRAMS, self.folder, *more, **how) as run:
            return run.wait()

    def busy(self, *more, **how):
        run = busy_run(PROGRAMS, self.folder, *more, **how)
        self.addCleanup(run.__exit__)
        return run

    def end_of(self, run, code):
        got = run.wait()
        self.assertEqual(got[0], code, got)
        return got

    def stop(self, run):
        run.process.send_signal(signal.SIGINT)
        return self.end_of(run, 130)

    # ---- the stream

    def test_a_page_that_comes_late_gets_the_whole_curve(self):
        run = self.busy(*EVAL)
        first = Events(run.port).until(lambda e: len(e.points) >= 40)
        late = Events(run.port).until(lambda e: len(e.points) >= len(first.points))
        self.assertEqual([p[0] for p in late.points[:40]], list(range(1, 41)))
        self.assertEqual(late.points[:40], first.points[:40])
        late.until(lambda e: {"facts", "now", "evaluations", "samples", "lines"} <= e.state.keys())
        facts = late.state["facts"]
        self.assertEqual(facts["n_steps"], 1000000)
        self.assertIn("planned peak", [row[0] for row in facts["plan"]])
        self.assertIn(["adapter", "a.gguf"], facts["about"])
        self.assertGreater(facts["step_seconds"], 0)
        self.assertEqual(late.state["evaluations"][0][0], 0, "the one before training")
        self.stop(run)
        for events in (first, late):
            events.to_end()
            self.assertEqual(events.state["end"]["how"], "interrupted")
            self.assertIn("--resume auto", events.state["end"]["message"])

    def test_samples_come_with_evaluations(self):
        run = self.busy(*EVAL)
        events = Events(run.port).until(lambda e: len(e.state.get("samples", {}).get("rounds", ())) >= 3)
        samples = events.state["samples"]
        self.assertEqual([r["step"] for r in samples["rounds"][:3]], [0, 5, 10])
        self.assertEqual(len(samples["prompts"]), 3)
        for prompt in samples["prompts"]:
            self.assertIn("Order ", prompt["prompt"])
            self.assertIn(" x", prompt["expected"])
        for answers in (r["answers"] for r in samples["rounds"]):
            self.assertEqual(len(answers), 3)
        self.assertIn("64 tokens", samples["note"])
        self.stop(run)

    def test_what_is_learned_shows_in_the_samples(self):
        with open(self.path("one.jsonl"), "w", encoding="utf-8") as file:
            file.write(chats(1) * 20)
        with Run(PROGRAMS, self.folder, "--eval-data", "one.jsonl", "--eval-every", "20", "--steps", "60", "--lr",
                 "1e-2", data="one.jsonl") as run:
            run.url()
            events = Events(run.port).to_end()
            self.end_of(run, 0)
        samples = events.state["samples"]
        right = [[a["text"] == p["expected"] and not a["cut"] for a, p in zip(r["answers"], samples["prompts"])]
                 for r in samples["rounds"]]
        self.assertEqual([r["step"] for r in samples["rounds"]], [0, 20, 40, 60])
        self.assertEqual((right[0], right[-1]), ([False] * 3, [True] * 3), samples["rounds"])

    def test_the_end_of_a_run_is_on_the_page(self):
        with Run(PROGRAMS, self.folder, "--epochs", "30", *EVAL) as run:
            run.url()
            events = Events(run.port).to_end()
            _, out, _ = self.end_of(run, 0)
        self.assertEqual(events.state["end"]["how"], "ended")
        summary = dict(events.state["end"]["summary"])
        for name in ("steps", "loss", "adapter", "best by eval loss"):
            self.assertIn(name, summary)
            self.assertIn(summary[name], out)
        self.assertEqual(events.points[-1][0], events.state["facts"]["n_steps"], "the last step, too")

    def test_a_run_that_fails_says_why(self):
        with Run(PROGRAMS, self.folder, "--steps", "100000", "--lr", "1", "--optim", "sgd", "--clip", "0", "--schedule",
                 "constant", "--lora-plus-ratio", "1000", "--warmup", "0") as run:
            run.url()
            events = Events(run.port).to_end()
            code, _, err = run.wait()
        if code == 0:
            self.skipTest("the run did not diverge")
        self.assertEqual(code, 1, err)
        self.assertEqual(events.state["end"]["how"], "failed")
        self.assertIn(events.state["end"]["message"][:40], err)

    # ---- stopping

    def test_stop_does_what_one_ctrl_c_does(self):
        run = self.busy("--metrics", "m.jsonl")
        events = Events(run.port).until(lambda e: e.state.get("now", {}).get("step", 0) > 3)
        token = token_of(run.port)
        for _ in range(3):  # a second one ends nothing at once
            answer = request(run.port, "POST", "/stop", [f"X-Board-Token: {token}", f"Origin: http://127.0.0.1:{run.port}",
                                                         "Content-Length: 0"])
            self.assertIn(status(answer), (202, None), answer)
        _, _, err = self.end_of(run, 130)
        self.assertIn("finishing this batch, then saving", err)
        self.assertIn("; go on with: ql-finetune ", err)
        events.to_end()
        self.assertTrue(events.state["facts"]["stopping"])
        self.assertEqual(events.state["end"]["how"], "interrupted")
        step = events.state["now"]["step"]
        code, _, err = self.resumed(step)
        self.assertEqual(code, 130, err)

    def resumed(self, step):
        run = Run(PROGRAMS, self.folder, "--steps", "1000000", "--save-every", "1000000", "--resume", "auto",
                  "--metrics", "m.jsonl")
        with run:
            run.url()
            events = Events(run.port).until(lambda e: e.points and e.points[-1][0] > step)
            self.assertEqual(events.state["facts"]["first_step"], step)
            self.assertEqual(events.points[0][0], 1, "the earlier part is that of the metrics")
            self.assertNotIn(None, events.points[0])
            run.process.send_signal(signal.SIGTERM)
            return run.wait()

    def test_stopping_needs_the_token_and_this_machines_name(self):
        run = self.busy()
        token = token_of(run.port)
        has = f"X-Board-Token: {token}"
        own = f"127.0.0.1:{run.port}"
        refused = [
            (403, "POST", "/stop", [], None), (403, "POST", "/stop", ["X-Board-Token: 0"], None),
            (403, "POST", "/stop", [has, "Origin: http://example.org"], None),
            (403, "POST", "/stop", [has, "Sec-Fetch-Site: cross-site"], None),
            (403, "POST", "/stop", [has], "example.org"), (403, "POST", "/stop", [has], f"rebound.example:{run.port}"),
            (403, "GET", "/", [], "example.org"), (403, "GET", "/events", [], "example.org"),
            (400, "GET", "/", [f"Host: {own}"], None), (405, "GET", "/stop", [has], None), (405, "PUT", "/", [], None),
            (405, "DELETE", "/stop", [has], None), (404, "GET", "/etc/passwd", [], None), (404, "GET", "/../x", [], None),
        ]
        for code, method, path, headers, host in refused:
            answer = request(run.port, method, path, headers, host)
            self.assertEqual(status(answer), code, (method, path, headers, host, answer))
            self.assertNotIn(token.encode(), answer)
        self.assertEqual(status(ask(run.port, "GET / HTTP/1.1\r\n\r\n")), 400, "no Host")
        page = request(run.port, "GET", "/")
        self.assertEqual(status(page), 200)
        for header in (b"Content-Security-Policy: default-src 'none'", b"X-Frame-Options: DENY", b"Cache-Control: no-store"):
            self.assertIn(header, page)
        self.assertNotIn(b"Access-Control", page)
        self.assertIsNone(run.process.poll(), "nothing of it stopped the run")
        self.stop(run)

    # ---- clients that do what they should not

    def test_requests_are_limited(self):
        run = self.busy()
        head = f"POST /stop HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Board-Token: {token_of(run.port)}\r\n"
        self.assertIn(status(ask(run.port, head + f"Content-Length: 100000\r\n\r\n{'x' * 100000}")), (413, 400))
        self.assertIn(status(ask(run.port, f"GET /{'x' * 10000} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")), (414, 400, None))
        self.assertIn(status(ask(run.port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA: {'x' * 100000}\r\n\r\n")), (400, None))
        endless = b"".join(b"A%d: b\r\n" % i for i in range(100000))
        self.assertIn(status(ask(run.port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + endless)), (400, None))
        ranges = "bytes=" + ",".join(f"{i}-{i}" for i in range(1500))
        self.assertIn(status(ask(run.port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: {ranges}\r\n\r\n")),
                      (200, 206, 400, 416, None))
        for junk in (b"\0" * 5000, b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\r\n" * 2000, b"GET / HTTP/9.9\r\n\r\n"):
            ask(run.port, junk)
        self.assertEqual(status(request(run.port, "GET", "/")), 200)
        self.assertIsNone(run.process.poll())
        self.stop(run)

    def test_many_pages_and_one_too_many(self):
        run = self.busy()
        pages = [Events(run.port) for _ in range(8)]
        for page in pages:
            page.until(lambda e: len(e.points) > 3)
        self.assertEqual(status(request(run.port, "GET", "/events")), 503)
        pages.pop().close()
        end = time.time() + 20
        while status(self.head_of_events(run.port)) != 200:
            self.assertLess(time.time(), end, "a page that is gone makes room")
            time.sleep(0.2)
        self.stop(run)
        for page in pages:
            page.to_end()
            self.assertIn("end", page.state)

    @staticmethod
    def head_of_events(port):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
            s.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return s.recv(100)

    def test_clients_that_read_nothing_hold_up_nothing(self):
        run = self.busy(*EVAL)
        idle = []
        for text in [b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"] * 4 + [b"GET / HT", b""]:
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.connect(("127.0.0.1", run.port))
            s.sendall(text)
            idle.append(s)
        self.addCleanup(lambda: [s.close() for s in idle])
        events = Events(run.port).until(lambda e: len(e.points) > 20 and "now" in e.state)
        begin = events.state["now"]["step"]
        time.sleep(1)
        events.until(lambda e: e.state["now"]["step"] > begin + 20)
        asked = time.time()
        self.stop(run)
        self.assertLess(time.time() - asked, 10, "the end waits for them a moment only")

    def test_the_end_of_a_run_is_not_held_up(self):
        times = {}
        for _ in range(3):
            for board in ((), ("--board", "0")):
                begin = time.time()
                self.run_to_end("--steps", "1", "--overwrite", board=board)
                times.setdefault(board, []).append(time.time() - begin)
        self.assertLess(min(times["--board", "0"]) - min(times[()]), 1, times)

    # ---- ports and other options

    def test_a_busy_port_is_named_before_anything_is_done(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            code, out, err = self.run_to_end("--steps", "1", board=("--board", str(port)))
        self.assertEqual((code, out), (2, ""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn(f"--board: port {port} is in use by another program; give another one, 0 for any", err)
        self.assertFalse(os.path.exists(self.path("a.gguf")))

    def test_without_a_port_the_next_free_one_is_taken(self):
        first = self.busy(board=("--board",))
        second = self.busy(board=("--board",), out="b.gguf")
        self.assertGreaterEqual(first.port, 7007)
        self.assertNotEqual(first.port, second.port)
        for run in (first, second):
            self.stop(run)

    def test_a_port_that_is_none_is_bad_usage(self):
        for word in ("65536", "port", "80x"):
            code, _, err = self.run_to_end("--steps", "1", board=(f"--board={word}",))
            self.assertEqual(code, 2, err)
            self.assertIn("--board", err)

    def test_json_quiet_and_config(self):
        code, out, err = self.run_to_end("--steps", "2", "--json")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["steps"], 2)
        code, out, err = self.run_to_end("--steps", "2", "--overwrite", "-q")
        self.assertEqual((code, err), (0, ""), "with -q nothing is said, the address neither")
        with open(self.path("run.toml"), "w", encoding="utf-8") as file:
            file.write("board = true\n")
        code, out, err = self.run_to_end("--steps", "2", "--overwrite", "--config", "run.toml", board=())
        self.assertEqual(code, 0, err)
        self.assertIn("board    http://127.0.0.1:70", err)
        with open(self.path("run.toml"), "w", encoding="utf-8") as file:
            file.write("board = 0\n")
        code, out, err = self.run_to_end("--steps", "2", "--overwrite", "--config", "run.toml", board=())
        self.assertIn("board    http://127.0.0.1:", err)

    def test_a_dry_run_has_no_page(self):
        code, _, err = self.run_to_end("--dry-run")
        self.assertEqual(code, 0, err)
        self.assertIn("--board: nothing is trained, so there is no page", err)
        self.assertNotIn("http://", err)

    def test_the_result_has_the_same_bits(self):
        options = ("--epochs", "20", "--lora-dropout", "0.1", "--neftune-alpha", "5", *EVAL, "--eval-every", "7")
        plain = self.run_to_end(*options, "--metrics", "plain.jsonl", board=(), out="plain.gguf")
        with Run(PROGRAMS, self.folder, *options, "--metrics", "shown.jsonl", out="shown.gguf") as run:
            run.url()
            pages = [threading.Thread(target=lambda: Events(run.port).to_end()) for _ in range(3)]
            for page in pages:
                page.start()
            shown = run.wait()
            for page in pages:
                page.join()
        self.assertEqual((plain[0], shown[0]), (0, 0), (plain, shown))
        for a, b in (("plain.gguf", "shown.gguf"), ("plain.best.gguf", "shown.best.gguf")):
            self.assertTrue(filecmp.cmp(self.path(a), self.path(b), False), (a, b))
        times = ("tok_s", "seconds", "rss_bytes")
        lines = []
        for name in ("plain.jsonl", "shown.jsonl"):
            with open(self.path(name), encoding="utf-8") as file:
                lines.append([{k: v for k, v in json.loads(line).items() if k not in times} for line in file])
        self.assertEqual(*lines)


if __name__ == "__main__":
    PROGRAMS, WRITER = map(os.path.abspath, sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
