"""What the tests of the board share: a run of ql-finetune with a page, and a client of it."""
import json
import os
import re
import socket
import subprocess
import time
import urllib.request

LIMIT = 120  # seconds; nothing here takes a tenth of it


def chats(n):
    things = ("tea", "bread", "the red hat", "a map", "two pens", "salt")
    return "".join(json.dumps({"messages": [{"role": "user", "content": f"Order {i % 10} {things[i % 6]}"},
                                            {"role": "assistant", "content": f"{things[i % 6]} x{i % 10}"}]}) + "\n"
                   for i in range(n))


class Run:
    """A ql-finetune in the background, in `folder` with model.gguf and data.jsonl."""

    def __init__(self, programs, folder, *more, out="a.gguf", board=("--board", "0"), model="model.gguf", data="data.jsonl"):
        command = [os.path.join(programs, "ql-finetune"), "-m", model, "-d", data, "-o", out, "--ctx", "64",
                   "--grad-accum", "1", "--lora-r", "4", *board, *more]
        self.err_path = os.path.join(folder, out + ".err")
        with open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err,
                                            env={**os.environ, "QL_THREADS": "1"})

    def err(self):
        with open(self.err_path, encoding="utf-8") as file:
            return file.read()

    def url(self):
        end = time.time() + LIMIT
        while time.time() < end:
            found = re.search(r"^board    (http://127\.0\.0\.1:(\d+)/)$", self.err(), re.M)
            if found:
                self.port = int(found[2])
                return found[1]
            assert self.process.poll() is None, self.err()
            time.sleep(0.02)
        raise AssertionError("no address: " + self.err())

    def wait(self):
        """(exit code, stdout, stderr)"""
        out, _ = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, out.decode(), self.err()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def busy_run(programs, folder, *more, **how):
    """One that goes on until it is stopped; its address is known."""
    run = Run(programs, folder, "--steps", "1000000", "--save-every", "1000000", *more, **how)
    run.url()
    return run


def ask(port, text):
    """Sends bytes as they are; the whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        s.sendall(text if isinstance(text, bytes) else text.encode())
        answer = b""
        try:
            while part := s.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


def status(answer):
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else None


def request(port, method, path, headers=(), host=None):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", *headers, "Connection: close"]
    return ask(port, "\r\n".join(lines) + "\r\n\r\n")


def token_of(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return re.search(r'const token = "([0-9a-f]{32})"', answer.read().decode())[1]


class Events:
    """The stream of events as a browser reads it; `state` has the newest of each, and the whole curve."""

    def __init__(self, port):
        self.answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/events", timeout=20)
        self.state, self.points = {}, []

    def next(self):
        """(name, data), or None at the end."""
        name = None
        for raw in self.answer:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
                self.state[name] = data
                if name == "points":
                    self.points = data["points"] if data["replace"] else self.points + data["points"]
                return name, data
        return None

    def until(self, holds):
        end = time.time() + LIMIT
        while time.time() < end:
            if self.next() is None:
                raise AssertionError(f"the stream ended: {self.state.keys()}")
            if holds(self):
                return self
        raise AssertionError("it did not come")

    def to_end(self):
        while self.next() is not None:
            pass
        return self

    def close(self):
        self.answer.close()
