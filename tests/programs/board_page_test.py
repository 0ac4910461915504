#!/usr/bin/env python3
"""The page of ql-finetune --board in a browser: what it shows, its button, its end, at two widths, light and dark.

    board_page_test.py PROGRAMS WRITE_TINY_MODEL [--pictures DIR]

Needs Chromium, which is driven over its pipe (DevTools protocol); without one it exits with 77: skipped. --pictures keeps
the screenshots, to be looked at.
"""
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from board_client import busy_run, chats  # noqa: E402

SECONDS = 240
HOSTILE = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'>"


class Browser:
    """A headless Chromium with one page. Messages are JSON, each followed by a NUL."""

    def __init__(self, program, folder):
        to_browser, from_browser = os.pipe(), os.pipe()

        def pipes():  # it reads from 3 and writes to 4
            ends = os.dup(to_browser[0]), os.dup(from_browser[1])
            os.dup2(ends[0], 3), os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
             f"--user-data-dir={folder}", "about:blank"],
            preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser[0]), os.close(from_browser[1])
        self.to, self.come = os.fdopen(to_browser[1], "wb", 0), from_browser[0]
        self.n, self.buffer, self.events, self.session = 0, b"", [], None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")

    def send(self, method, parameters):
        self.n += 1
        message = {"id": self.n, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.to.write(json.dumps(message).encode() + b"\0")
        return self.n

    def read(self):
        while b"\0" not in self.buffer:
            part = os.read(self.come, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self.buffer += part
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def call(self, method, **parameters):
        number = self.send(method, parameters)
        while True:
            answer = self.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)
            if answer.get("method") == "Page.javascriptDialogOpening":  # the question of the button: yes
                self.send("Page.handleJavaScriptDialog", {"accept": True})

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, expression):
        end = time.time() + SECONDS
        while not self.value(expression):
            if time.time() > end:
                raise AssertionError(f"never came: {expression}; the page says: {self.value('document.body.innerText')}")
            time.sleep(0.1)

    def size(self, width, height=900):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path):
        height = self.value("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": self.value("innerWidth"), "height": height, "scale": 1}
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def faults(self):
        """What the page's script, or its policy, complains of; a lost connection is none."""
        found = []
        for e in self.events:
            if e.get("method") == "Runtime.exceptionThrown":
                found.append(e["params"]["exceptionDetails"])
            if e.get("method") == "Log.entryAdded" and e["params"]["entry"]["source"] in ("security", "violation"):
                found.append(e["params"]["entry"])
        return found

    def end(self):
        self.process.kill()
        self.process.wait()


def check(right, what):
    if not right:
        raise AssertionError(what)
    print("  " + what)


def text(browser, element):
    return browser.value(f"document.getElementById('{element}').innerText")


def look_at_run(browser, run, pictures):
    browser.size(1200)
    browser.call("Page.navigate", url=run.url())
    browser.wait("document.querySelectorAll('#loss .evaluation').length > 4")
    browser.wait("document.querySelectorAll('#samples .sample').length === 3 && "
                 "document.querySelectorAll('#round option').length > 2")
    check(browser.value("document.querySelectorAll('#loss .curve').length") == 2, "the loss and its mean are drawn")
    check(all(browser.value(f"document.querySelector('#{i} .curve').getAttribute('d').length") > 100
              for i in ("rate", "norm")), "learning rate and gradient norm are drawn")
    check(browser.value("document.querySelectorAll('#loss .best').length") == 1, "the best evaluation is marked")
    check("best" in browser.value("document.getElementById('evaluations').textContent"), "it is in the table, too")
    check("planned peak" in text(browser, "plan") and "expected, a step" in text(browser, "plan"), "the plan is there")
    check("of 1,000,000" in text(browser, "figures") and "time left" in text(browser, "figures"), "figures are there")
    check("Order" in text(browser, "samples") and "expected" in text(browser, "samples") and
          "generated" in text(browser, "samples"), "samples are there")
    check(HOSTILE in browser.value("document.getElementById('samples').textContent") and
          browser.value("window.broken") is None, "text of the data is only text")
    check(browser.value("document.querySelectorAll('#samples img, #samples script').length") == 0, "and no part of the page")
    check(browser.value("performance.getEntriesByType('resource').every(r => r.name.startsWith(location.origin))"),
          "nothing from outside is asked for")
    check(browser.value("[...document.querySelectorAll('input, select, progress, svg, button')].every(e => "
                        "e.getAttribute('aria-label') || e.closest('label') || e.innerText)"), "every control has a name")
    browser.value("document.getElementById('round').selectedIndex = 0, document.getElementById('round').onchange()")
    path = "document.querySelector('#loss .curve').getAttribute('d')"
    browser.value(f"window.before = {path}, document.getElementById('log').click()")
    check(browser.value(f"{path}.length > 100 && {path} !== before"), "a logarithmic axis is drawn")
    check(browser.value("document.querySelectorAll('#loss text[text-anchor=end]').length") > 1, "and has figures")
    browser.picture(os.path.join(pictures, "running-log.png"))
    browser.value("document.getElementById('log').click()")
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    browser.picture(os.path.join(pictures, "running-light.png"))
    light = browser.value("getComputedStyle(document.body).backgroundColor")
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    browser.picture(os.path.join(pictures, "running-dark.png"))
    check(browser.value("getComputedStyle(document.body).backgroundColor") != light, "there is a dark page")
    browser.size(400, 800)
    time.sleep(0.5)
    check(browser.value("document.documentElement.scrollWidth") <= 400, "400 pixels are wide enough")
    browser.picture(os.path.join(pictures, "running-400.png"))
    browser.size(1200)
    n = browser.value("run.points.length")
    browser.call("Page.reload")
    browser.wait(f"typeof run !== 'undefined' && run.points.length >= {n} && run.points[0][0] === 1")
    check(True, "a page that is loaded again has the whole curve")


def stop_by_button(browser, run, pictures):
    browser.wait("!document.getElementById('stop').disabled")
    browser.value("setTimeout(() => document.getElementById('stop').click(), 0)")
    browser.wait("document.getElementById('state').textContent === 'stopped'")
    code, _, err = run.wait()
    check(code == 130 and "--resume auto" in err, "the button stops the run as Ctrl-C does")
    check("--resume auto" in text(browser, "ended-text"), "the page says how it goes on")
    check(browser.value("document.getElementById('stop').disabled"), "the button is off")
    time.sleep(2)
    check(text(browser, "state") == "stopped", "and the end stays, though the program is gone")
    browser.picture(os.path.join(pictures, "stopped.png"))


def kill_it(browser, run, pictures):
    browser.call("Page.navigate", url=run.url())
    browser.wait("typeof run !== 'undefined' && run.points.length > 5")
    run.process.send_signal(signal.SIGKILL)
    browser.wait("document.getElementById('state').textContent === 'connection lost'")
    check(browser.value("run.points.length") > 5, "a program that died: the connection is lost, the curve stays")
    browser.picture(os.path.join(pictures, "lost.png"))


def end_it(browser, run, pictures):
    browser.call("Page.navigate", url=run.url())
    browser.wait("document.getElementById('state')?.textContent === 'ended'")
    check("best by eval loss" in text(browser, "summary"), "a run that ended has its summary")
    browser.picture(os.path.join(pictures, "ended.png"))
    code, _, err = run.wait()
    check(code == 0, "and it did end well" + (err if code else ""))


def main():
    programs, writer = map(os.path.abspath, sys.argv[1:3])
    pictures = sys.argv[sys.argv.index("--pictures") + 1] if "--pictures" in sys.argv else None
    chromium = os.environ.get("QL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("skipped: there is no chromium (Debian: chromium), in which the page would be looked at")
        return 77
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        subprocess.run([writer, os.path.join(folder, "model.gguf"), os.path.join(folder, "data.jsonl")], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "data.jsonl"), "w", encoding="utf-8") as file:
            file.write(chats(48))
        with open(os.path.join(folder, "held.jsonl"), "w", encoding="utf-8") as file:
            file.write(chats(1) + json.dumps({"question": "Order " + HOSTILE, "answer": HOSTILE}) + "\n" + chats(8))
        pictures = pictures or folder
        os.makedirs(pictures, exist_ok=True)
        browser = Browser(chromium, os.path.join(folder, "profile"))
        eval_data = ("--eval-data", "held.jsonl", "--eval-every", "20", "--ctx", "128")
        try:
            with busy_run(programs, folder, *eval_data) as run:
                look_at_run(browser, run, pictures)
                stop_by_button(browser, run, pictures)
            with busy_run(programs, folder, "--overwrite", *eval_data) as run:
                kill_it(browser, run, pictures)
            run = busy_run(programs, folder, "--overwrite", "--steps", "5000", *eval_data, "--eval-every", "1000")
            with run:
                end_it(browser, run, pictures)
            check(not browser.faults(), f"no script fails, no policy is broken {browser.faults()[:1] or ''}")
        finally:
            browser.end()
    print("the page is as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
