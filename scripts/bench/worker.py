"""The reference side of a benchmark: `worker.py NAME PREPARED THREADS`, the twin of worker.mjs. See README.md."""

import importlib
import json
import os
import platform
import sys
import time
import traceback
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent / "cases"))

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a library prints must not get among the answers


def say(message: dict) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def main() -> None:
    name, prepared, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    cases = importlib.import_module(name).cases(json.loads(prepared))
    say({"cases": list(cases), "torch": torch.__version__, "python": platform.python_version()})
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if "result" in message:
                _, result = cases[message["result"]]
                say({"values": result().detach().flatten().tolist()})
            else:
                run, _ = cases[message["case"]]
                start, cpu_start = time.perf_counter(), time.process_time()
                run(message["iterations"])
                seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
                say({"seconds": seconds, "cpuSeconds": cpu_seconds})
        except Exception:
            say({"error": traceback.format_exc()})


try:
    main()
except Exception:
    say({"error": traceback.format_exc()})
    sys.exit(1)
