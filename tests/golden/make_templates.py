"""Chat templates as transformers renders them: templates/NAME.json.

Made with transformers 5.24.0, jinja2 3.1.6:  python make_templates.py FOLDER [OUT]
FOLDER: models/templates of llama.cpp, from which the 17 templates of TEMPLATES come (llama_cpp_python 0.3.36 on PyPI has
it; templates/README.md says whose they are). With OUT, every template of FOLDER is rendered to that folder instead.
A file holds the template, its special tokens, and for each of the 30 conversations of conversations.json:
  text     of all messages (null: the template refuses them)
  prompt   of the messages before the last answer, with the generation prompt (null: refused)
  answers  bytes [begin, end) of each answer, where all prompts and all conversations that end with an answer are
           beginnings of the text; null where they are not
"""
import datetime
import json
import pathlib
import sys

import transformers.utils.chat_template_utils as utils
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent / "templates"
TEMPLATES = {  # file: (bos, eos, ends of a turn), of models under Apache-2.0 and MIT
    "Qwen-Qwen2.5-7B-Instruct": ("", "<|im_end|>", ["<|im_end|>"]),
    "Qwen-QwQ-32B": ("", "<|im_end|>", ["<|im_end|>"]),
    "Qwen-Qwen3-0.6B": ("", "<|im_end|>", ["<|im_end|>"]),
    "Qwen3-Coder": ("", "<|im_end|>", ["<|im_end|>"]),
    "Qwen3.5-4B": ("", "<|im_end|>", ["<|im_end|>"]),
    "HuggingFaceTB-SmolLM3-3B": ("", "<|im_end|>", ["<|im_end|>"]),
    "ibm-granite-granite-3.3-2B-Instruct": ("", "<|end_of_text|>", ["<|end_of_text|>"]),
    "ibm-granite-granite-4.0": ("", "<|end_of_text|>", ["<|end_of_text|>"]),
    "mistralai-Mistral-Nemo-Instruct-2407": ("<s>", "</s>", ["</s>"]),
    "Mistral-Small-3.2-24B-Instruct-2506": ("<s>", "</s>", ["</s>"]),
    "mistralai-Ministral-3-14B-Reasoning-2512": ("<s>", "</s>", ["</s>"]),
    "microsoft-Phi-3.5-mini-instruct": ("<s>", "<|endoftext|>", ["<|end|>"]),
    "openai-gpt-oss-120b": ("<|startoftext|>", "<|return|>", ["<|return|>", "<|call|>"]),
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>",
                                                 ["<｜end▁of▁sentence｜>"]),
    "deepseek-ai-DeepSeek-V3.1": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", ["<｜end▁of▁sentence｜>"]),
    "ByteDance-Seed-OSS": ("<seed:bos>", "<seed:eos>", ["<seed:eos>"]),
    "GLM-4.6": ("", "<|endoftext|>", ["<|user|>", "<|observation|>", "<|endoftext|>"]),
}


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


utils.datetime = Day


def tool(name, description, **properties):
    return {"type": "function", "function": {
        "name": name, "description": description,
        "parameters": {"type": "object", "properties": {k: v for k, v in properties.items()},
                       "required": list(properties)[:1]}}}


WEATHER = tool("get_weather", "The weather of a place — now or on a day.",
               location={"type": "string", "description": "City, e.g. \"Zürich\""},
               unit={"type": "string", "enum": ["C", "F"]})
ADD = tool("add", "Adds numbers.", values={"type": "array", "items": {"type": "number"}, "description": "What is added"})
CLOCK = tool("clock", "Tells the time.")


def user(text):
    return {"role": "user", "content": text}


def system(text):
    return {"role": "system", "content": text}


def says(text, **more):
    return {"role": "assistant", "content": text, **more}


def thinks(thoughts, text, **more):
    return {"role": "assistant", "reasoning_content": thoughts, "content": text, **more}


def call(i, name, **arguments):
    return {"id": f"call{i:05d}", "type": "function", "function": {"name": name, "arguments": arguments}}


def result(i, name, text):
    return {"role": "tool", "tool_call_id": f"call{i:05d}", "name": name, "content": text}


def conversations():
    plain = [
        [user("Hi"), says("Hello!")],
        [system("Be brief."), user("Hi"), says("Hello!")],
        [user("Hi"), says("Hello!"), user("How are you?"), says("Well.")],
        [system("Be brief."), user("Hi"), says("Hello!"), user("2 + 2?"), says("4"), user("And 3?"), says("7")],
        [user("  spaces \n around  "), says("  kept or \n trimmed \n ")],
        [user("Grüße an Zoë, 日本語 🙂"), says("Übermut — «ja» 🙂\u00a0!")],
        [system("Line one.\n\nLine two."), user("List"), says("- a\n- b\n\n```python\nprint('x', \"y\")\n```\n")],
        [user("Empty?"), says("")],
        [user("First"), says(""), user("Second"), says("Something")],
        [user("<|im_start|>user\nfake<|im_end|>"), says("No [INST] here </s> either")],
        [user("Braces {{ x }} {% y %}"), says("{\"a\": [1, 2.5, null, true]}")],
        [system(""), user("An empty system"), says("fine")],
        [user("same"), says("same"), user("same"), says("same")],
        [user("ends with a question"), says("answer"), user("open")],
    ]
    thoughts = [
        [user("17 * 3?"), thinks("17 * 3 = 51.", "51")],
        [user("a"), thinks("first", "A"), user("b"), thinks("second\nline", "B")],
        [system("Think."), user("a"), says("A"), user("b"), thinks("now", "B")],
        [user("in the content"), says("<think>\nhm\n</think>\n\nyes")],
        [user("a"), says("<think>\none\n</think>\n\nA"), user("b"), says("<think>\ntwo\n</think>\n\nB")],
        [user("empty thoughts"), says("<think>\n\n</think>\n\ndone")],
    ]
    tools = [
        ([user("Weather in Zürich?"), says("", tool_calls=[call(1, "get_weather", location="Zürich", unit="C")]),
          result(1, "get_weather", "{\"temp\": 21.5}"), says("21.5 °C in Zürich.")], [WEATHER]),
        ([system("Use tools."), user("Sum"), says("", tool_calls=[call(1, "add", values=[1, 2.5, -3])]),
          result(1, "add", "0.5"), says("0.5"), user("Thanks"), says("Welcome")], [WEATHER, ADD]),
        ([user("Both"), says("", tool_calls=[call(1, "get_weather", location="Bern"), call(2, "add", values=[1, 1])]),
          result(1, "get_weather", "rain"), result(2, "add", "2"), says("Rain, and 2.")], [WEATHER, ADD]),
        ([user("Say why"), says("I shall look.", tool_calls=[call(1, "clock")]), result(1, "clock", "12:00"),
          says("Noon.")], [CLOCK]),
        ([user("Step by step"), says("", tool_calls=[call(1, "clock")]), result(1, "clock", "12:00"),
          says("", tool_calls=[call(2, "get_weather", location="Zoë's \"home\"\n")]), result(2, "get_weather", "sun"),
          says("Sun at noon.")], [CLOCK, WEATHER]),
        ([user("Ends with a call"), says("", tool_calls=[call(1, "add", values=[])])], [ADD]),
        ([user("Not needed"), says("No tool is needed.")], [WEATHER, ADD, CLOCK]),
        ([system("Brief."), user("No need"), says("Right."), user("Now"),
          says("", tool_calls=[call(1, "get_weather", location="A&B <c>", unit="F")])], [WEATHER]),
        ([user("Think, then call"), thinks("The clock knows.", "", tool_calls=[call(1, "clock")]),
          result(1, "clock", "12:00"), thinks("It is noon.", "Noon.")], [CLOCK]),
        ([user("Nested"), says(None, tool_calls=[{"id": "call00001", "type": "function", "function": {
            "name": "add", "arguments": {"values": [1], "options": {"deep": {"er": [True, None, "x"]}, "n": 10}}}}]),
          result(1, "add", "1"), says("1")], [ADD]),
    ]
    return [{"messages": m} for m in plain + thoughts] + [{"messages": m, "tools": t} for m, t in tools]


class Template:
    def __init__(self, source, bos, eos):
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), chat_template=source,
                                                 **({"bos_token": bos} if bos else {}), eos_token=eos)
        self.as_text = False
        probe = [user("x"), says("", tool_calls=[call(12345, "f", ql_probe="x")])]
        if "tool_calls" in source:
            text = self.render(probe)
            self.as_text = text is None or "{'ql_probe'" in text

    def render(self, messages, prompt=False, tools=None):
        messages = json.loads(json.dumps(messages))
        for c in (c for m in messages for c in m.get("tool_calls", []) if self.as_text):
            c["function"]["arguments"] = json.dumps(c["function"]["arguments"], ensure_ascii=False,
                                                    separators=(",", ":"))
        try:
            return self.tokenizer.apply_chat_template(messages, tools=tools, tokenize=False,
                                                      add_generation_prompt=prompt)
        except Exception as e:  # jinja2's, and Python's where a template adds a list to a string
            if "Traceback" in str(e):
                raise
            return None


def spans(template, messages, tools, text, ends):
    """Bytes of each answer; None where the text does not begin with what a model is asked, and what it then has."""
    found = []
    for i, m in enumerate(messages):
        if m["role"] != "assistant":
            continue
        prompt, whole = template.render(messages[:i], True, tools), template.render(messages[:i + 1], False, tools)
        if not prompt or not whole or not text.startswith(prompt) or not whole.startswith(prompt):
            return None
        if not text.startswith(whole):
            return None
        tail = whole[len(prompt):]
        at = max((tail.rfind(e) + len(e) for e in ends if e in tail), default=None)
        if at is None or tail[at:].replace(template.tokenizer.eos_token, "").strip():
            return None
        begin = len(prompt.encode())
        found.append([begin, begin + len(tail[:at].encode())])
    return found


def case(template, conversation, ends):
    messages, tools = conversation["messages"], conversation.get("tools")
    last = max(i for i, m in enumerate(messages) if m["role"] == "assistant")
    text = template.render(messages, False, tools)
    return {"text": text, "prompt": template.render(messages[:last], True, tools),
            "answers": None if text is None else spans(template, messages, tools, text, ends)}


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def main():
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else HERE
    names = sorted(p.stem for p in folder.glob("*.jinja")) if len(sys.argv) > 2 else TEMPLATES
    write(out / "conversations.json", {"conversations": conversations()})
    for name in names:
        bos, eos, ends = TEMPLATES.get(name, ("<s>", "</s>", ["</s>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>"]))
        source = (folder / f"{name}.jinja").read_text()
        template = Template(source, bos, eos)
        cases = [case(template, c, ends) for c in conversations()]
        write(out / f"{name}.json", {"template": source, "bos": bos, "eos": eos, "ends": ends, "cases": cases})
        print(name, sum(c["text"] is not None for c in cases), sum(c["answers"] is not None for c in cases))


main()
