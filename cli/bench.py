"""`okxbot bench`: measure and print, a line or a JSON object per figure."""

import json

from bench.registry import run


def run_bench(names: list[str], *, as_json: bool) -> None:
    for found in run(names):
        if as_json:
            print(json.dumps(found.as_dict()), flush=True)
            continue
        spread = "" if found.p99 is None else f"  p50 {found.p50:g}  p99 {found.p99:g}"
        print(f"{found.name:<28} {found.value:>10g} {found.unit:<8} n={found.n}{spread}", flush=True)
