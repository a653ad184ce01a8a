"""A renderer for tests, standard library only: `renderer.py RUNS ITEM [how …]`.

Every run adds a line to the file RUNS when it begins and one when it ends. A run that begins while an earlier one of the same item is
still alive says so: two renderers at work on one frame is what must never happen.
"""

import json
import os
import signal
import sys
import time


def note(runs: str, **said: object) -> None:
    line = (json.dumps({"pid": os.getpid(), "at": time.time(), **said}) + "\n").encode()
    descriptor = os.open(runs, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, line)
    os.close(descriptor)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main() -> None:
    runs, item, how = sys.argv[1], sys.argv[2], sys.argv[3:] or ["sleep", "0"]
    earlier = []
    if os.path.exists(runs):
        with open(runs) as lines:
            earlier = [json.loads(line) for line in lines]
    ended = {line["pid"] for line in earlier if line["what"] == "end"}
    others = [line["pid"] for line in earlier if line["what"] == "begin" and line["item"] == item and line["pid"] not in ended]
    note(runs, what="begin", item=item, beside=[pid for pid in others if alive(pid)], attempt=os.environ.get("LANEWAY_ATTEMPT"))
    what, arguments = how[0], how[1:]
    if what == "sleep":
        time.sleep(float(arguments[0]))
    elif what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(300)
    elif what == "family":
        for _ in range(2):
            if os.fork() == 0:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(300)
                os._exit(0)
        time.sleep(300)
    elif what == "print":
        block = (b"frame %s " % item.encode()) * 10 + b"\n"
        block *= 1024 * 1024 // len(block) + 1
        for _ in range(int(arguments[0])):
            os.write(1, block)
    elif what == "bytes":
        os.write(1, b"\xff\xfe\x00 not utf-8 \x80\x81\r50%\r100%\n\xc3")
    elif what == "write":
        with open(arguments[0], "wb") as out:
            for _ in range(int(arguments[1])):
                out.write(b"x" * 1024 * 1024)
    elif what == "exit":
        sys.exit(int(arguments[0]))
    note(runs, what="end", item=item)


main()
