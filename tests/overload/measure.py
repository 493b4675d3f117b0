"""Half the peak, too much, half the peak again: what the server did of it, against what it is to do."""

import json
import os
import subprocess
import sys

tollgate, target, work, *rules = sys.argv[1:]
connections = os.environ.get("CONNECTIONS", "512")
deadline_ms = float(os.environ.get("DEADLINE_MS", "50"))
seconds = os.environ.get("SECONDS_EACH", "10")
# A client waits no longer for a connection of its pool; what it does not get to send then is its own affair.
patience_ms = os.environ.get("PATIENCE_MS", "5")
factors = [float(f) for f in os.environ.get("FACTORS", "2 10").split()]
# Least share of the peak that is still answered well, by how many times the peak is asked for.
goodput = {2.0: 0.90, 10.0: 0.75}
SHED_MS, NORMAL_AFTER_S = 2.0, 2.0


def bench(*args):
    command = ["taskset", "-c", "1", tollgate, "bench", target, *rules, "--payments", "20000", "--duration", seconds,
               "--header", f"x-deadline-ms: {deadline_ms:g}", "--patience", patience_ms, "--json", "-", *args]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if not done.stdout:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}")
    return json.loads(done.stdout)


def at(latency, percentile):
    if not latency:
        return 0.0
    return next(p["ns"] for p in latency["percentiles"] if p["percentile"] == percentile) / 1e6


run = bench("--connections", "64")
peak = run["phases"][0]["rate"]
environment = run["environment"]
print(f"{environment['cpu']}, {environment['cores']} cores, load before {environment['load_before']}, "
      f"{environment['build']} build; peak {peak:,.0f} good answers a second over 64 connections")

missed = 0


def check(what, value, holds, limit):
    global missed
    missed += not holds
    print(f"  {'holds ' if holds else 'MISSED'}  {what}: {value} (to be {limit})")


for factor in factors:
    rates = f"{peak / 2:.0f},{peak * factor:.0f},{peak / 2:.0f}"
    before, over, after = bench("--connections", connections, "--warmup", "0", f"--steps={rates}")["phases"]
    answers = over["answers"]
    asked = sum(answers.values())
    sent = asked - answers["unsent"]
    print(f"\n{factor:g} x, open loop of {peak * factor:,.0f} a second over {connections} connections: "
          f"{asked / over['seconds']:,.0f} due and {sent / over['seconds']:,.0f} sent a second, {answers['shed']:,} shed, "
          f"generator busy {100 * over['generator_busy']:.0f} %")
    p99 = at(over["latency"], 99.0)
    check("p99 of what was admitted", f"{p99:.1f} ms", p99 <= deadline_ms, f"<= {deadline_ms:g} ms")
    share, least = over["rate"] / peak, goodput.get(factor, 0.75)
    check("goodput", f"{100 * share:.0f} % of the peak", share >= least, f">= {100 * least:.0f} %")
    shed = over.get("shed")
    check("sheds answered", f"p50 {at(shed, 50.0):.2f} ms, p99 {at(shed, 99.0):.2f} ms", at(shed, 99.0) <= SHED_MS,
          f"<= {SHED_MS:g} ms")
    lost = answers["broken"] + answers["timed_out"] + answers["refused"]
    check("unanswered", lost, lost == 0, 0)
    later = [i for i in after["intervals"] if i["begin_seconds"] >= NORMAL_AFTER_S and i["seconds"] > 0.05]
    slow, failed = max(i["p99_ns"] for i in later) / 1e6, sum(i["failed"] for i in later)
    usual = max(i["p99_ns"] for i in before["intervals"]) / 1e6
    check(f"{NORMAL_AFTER_S:g} s after", f"p99 of the worst interval {slow:.1f} ms, {failed} failed (before: {usual:.1f} ms)",
          failed == 0 and slow <= 2 * usual, "none failed, within twice what it was before")
sys.exit(1 if missed else 0)
