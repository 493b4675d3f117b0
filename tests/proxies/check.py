"""Sends payments through the proxies and looks at what came back and what reached the gateway.

check.py up|ext_authz_grpc|ext_proc|hung|down|closed SEEN METRICS: with the sidecar, asked over gRPC, with one that accepts and says nothing, without it,
and without it and all that fails open failing closed, and the other way round.
"""
import json
import sys
import time
import urllib.error
import urllib.request

state, seen_path, metrics = sys.argv[1:4]
ENVOY, AUTH_REQUEST, NJS, MIRROR, HAPROXY = 10000, 8081, 8082, 8083, 8084
GOOD, STOLEN = "tok_proxies_good", "tok_example_stolen"  # the second is on the list of rules/lists/never.toml
failed = False


def ask(port, name, card, form="json", extra=()):
    """Status, content type and body of the answer, and what reached the gateway of it."""
    path = f"/v1/payments/{name}"
    payment = {"amount": "20.00", "currency": "USD", "channel": "card", "card": card}
    headers = {"x-risk-decision": "forged", "x-deadline-ms": "0", **dict(extra)}
    if form == "headers":
        body = b"{}"
        headers |= {f"x-payment-{field}": value for field, value in payment.items()}
    elif form == "form":
        body = "&".join(f"{field}={value}" for field, value in payment.items()).encode()
        headers["content-type"] = "application/x-www-form-urlencoded"
    else:
        body = json.dumps(payment).encode() if form == "json" else form
        headers["content-type"] = "application/json"
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers, method="POST")
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read().decode(errors="replace")
    with open(seen_path) as lines:
        reached = [line for line in map(json.loads, lines) if line["path"] == path]
    if reached and reached[-1]["body"].encode() != body:
        return answer.status, "", "the gateway got another body", []
    return answer.status, answer.headers.get("content-type", ""), text, reached


def row(proxy, what, answer, status, passes, decision=None, problem=False, mark=None):
    """One line of the table: whether all is as it should be."""
    global failed
    got, kind, text, reached = answer
    headers = reached[-1]["headers"] if reached else {}
    wrong = []
    if got != status:
        wrong.append(f"status {got}, not {status}: {text[:120]}")
    if len(reached) != int(passes):
        wrong.append(f"reached the gateway {len(reached)} times")
    if passes and headers.get("x-risk-decision") != decision:
        wrong.append(f"x-risk-decision {headers.get('x-risk-decision')}, not {decision}")
    if decision == "approve" and not ("x-risk-score" in headers and "x-risk-id" in headers):
        wrong.append(f"x-risk-score or x-risk-id is missing: {sorted(headers)}")
    if mark and headers.get(mark[0]) != mark[1]:
        wrong.append(f"{mark[0]} is {headers.get(mark[0])}")
    if problem and not (kind.startswith("application/problem+json") and json.loads(text)["status"] == status):
        wrong.append(f"no problem: {kind} {text[:120]}")
    failed |= bool(wrong)
    print(f"{proxy:<20} {what:<34} {got:<6} {'reached' if reached else 'stopped':<8} {'; '.join(wrong) or 'ok'}")


def grpc():
    proxy = f"envoy {state.replace('_', ' ')}"
    for form in ["json", "form"]:
        row(proxy, f"good, {form}", ask(ENVOY, f"{state}-{form}-good", GOOD, form), 200, True, "approve")
        row(proxy, f"stolen card, {form}", ask(ENVOY, f"{state}-{form}-bad", STOLEN, form), 403, False, problem=True)
    row(proxy, "no payment", ask(ENVOY, f"{state}-none", "", b"<xml/>"), 403, False, problem=True)
    large = json.dumps({"note": "x" * 20_000}).encode()
    row(proxy, "larger than is asked about", ask(ENVOY, f"{state}-large", "", large), 413, False)


def decisions():
    """Payments decided so far, by outcome."""
    lines = urllib.request.urlopen(metrics, timeout=10).read().decode().splitlines()
    pairs = [line.split() for line in lines if line.startswith("tollgate_decisions_total{")]
    return {pair[0].split('"')[1]: float(pair[1]) for pair in pairs}


def up():
    for proxy, port, form in [
        ("envoy", ENVOY, "json"),
        ("envoy", ENVOY, "form"),
        ("nginx auth_request", AUTH_REQUEST, "headers"),
        ("nginx njs", NJS, "json"),
        ("nginx njs", NJS, "form"),
        ("haproxy", HAPROXY, "json"),
        ("haproxy", HAPROXY, "form"),
    ]:
        name = f"{proxy.replace(' ', '-')}-{form}"
        row(proxy, f"good, {form}", ask(port, f"{name}-good", GOOD, form), 200, True, "approve")
        row(proxy, f"stolen card, {form}", ask(port, f"{name}-bad", STOLEN, form), 403, False, problem=True)
    for proxy, port in [("envoy", ENVOY), ("nginx njs", NJS), ("haproxy", HAPROXY)]:
        name = proxy.replace(" ", "-")
        row(proxy, "no payment", ask(port, f"{name}-none", "", b"<xml/>"), 403, False, problem=True)
        large = json.dumps({"note": "x" * 20_000}).encode()
        row(proxy, "larger than is asked about", ask(port, f"{name}-large", "", large), 413, False)
    before = decisions().get("decline", 0)
    # The payer's own x-risk-* passes a mirror, which changes nothing.
    row("nginx mirror", "stolen card, shadow", ask(MIRROR, "mirror", STOLEN), 200, True, "forged")
    for _ in range(50):
        after = decisions().get("decline", 0)
        if after > before:
            break
        time.sleep(0.1)
    global failed
    failed |= after != before + 1
    print(f"{'nginx mirror':<20} {'decided in the shadow':<34} {after - before:<6g} {'':<8} {'ok' if after == before + 1 else 'not decided once'}")


def down():
    no = f"{'no' if state == 'down' else 'hung'} sidecar"
    allowed = ("x-envoy-auth-failure-mode-allowed", "true")
    row("envoy", f"{no}, fails open", ask(ENVOY, f"envoy-open-{state}", STOLEN), 200, True, mark=allowed)
    row("nginx auth_request", f"{no}, fails closed", ask(AUTH_REQUEST, f"auth-closed-{state}", GOOD, "headers"), 500, False)
    unasked = ("x-risk-degraded", "unasked")
    row("nginx njs", f"{no}, fails open", ask(NJS, f"njs-open-{state}", STOLEN), 200, True, mark=unasked)
    row("haproxy", f"{no}, fails open", ask(HAPROXY, f"haproxy-open-{state}", STOLEN), 200, True, mark=unasked)
    row("nginx mirror", f"{no}, shadow", ask(MIRROR, f"mirror-down-{state}", GOOD), 200, True, "forged")


def closed():
    row("envoy", "no sidecar, fails closed", ask(ENVOY, "envoy-closed", GOOD), 403, False)
    row("nginx auth_request", "no sidecar, fails open", ask(AUTH_REQUEST, "auth-open", GOOD, "headers"), 200, True)
    row("haproxy", "no sidecar, fails closed", ask(HAPROXY, "haproxy-closed", GOOD), 503, False, problem=True)
    row("nginx njs", "no sidecar, fails closed", ask(NJS, "njs-closed", GOOD), 503, False, problem=True)


{"up": up, "ext_authz_grpc": grpc, "ext_proc": grpc, "hung": down, "down": down, "closed": closed}[state]()
sys.exit(failed)
