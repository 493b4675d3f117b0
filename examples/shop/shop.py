#!/usr/bin/env python3
"""A small merchant: checks out by card, Alipay and WeChat Pay, gets challenged, refunds, is disputed, and hears of
all of it by webhooks. Nothing but Python's own library; README.md says what has to run beside it."""

import base64
import hashlib
import hmac
import http.server
import json
import re
import sys
import threading
import time
import urllib.request
import uuid

GATEWAY = "http://127.0.0.1:8731"
RUN = uuid.uuid4().hex[:8]


def ask(method, path, body=None, base=GATEWAY):
    """One request; its JSON, whatever the status."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "idempotency-key": uuid.uuid4().hex}
    request = urllib.request.Request(base + path, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
    except urllib.error.HTTPError as refused:
        text = refused.read()
    return json.loads(text) if text.startswith(b"{") else {}


def check_out(name, amount, **how):
    order = f"{RUN}-{name}"
    ask("POST", "/v1/orders", {"id": order, "amount": amount})
    return ask("POST", "/v1/payments", {"order": order, **how})


def by_card(name, amount, device="known-phone"):
    card = {"number": "4111 1111 1111 1111", "expiry": "09/28", "cvv": "123"}
    return check_out(name, amount, method="card", card=card, phone="+4915112345678", facts={"device_os": device})


def on(payment, what, body):
    return ask("POST", f"/v1/payments/{payment['id']}/{what}", body)


def until(payment, state):
    for _ in range(400):
        now = ask("GET", f"/v1/payments/{payment['id']}")
        if now.get("state") == state:
            return now
        time.sleep(0.05)
    sys.exit(f"{payment['id']} did not become {state}: {now}")


class Hooks(http.server.BaseHTTPRequestHandler):
    """Takes webhooks, if they are the gateway's: Standard Webhooks."""

    heard = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        secret = open("run/webhook.secret", "rb").read().rstrip()
        expected = b"v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest())
        good = hmac.compare_digest(expected, self.headers["webhook-signature"].encode())
        fresh = abs(time.time() - int(self.headers["webhook-timestamp"])) < 300
        if good and fresh:
            self.heard.append(json.loads(body)["type"])
        self.send_response(204 if good and fresh else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8740), Hooks)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    shoes = by_card("shoes", "89.90 EUR")
    print("shoes   ", shoes["state"])
    print("  refund", on(shoes, "refunds", {"id": "r1", "amount": "20.00 EUR"})["state"])

    phone = by_card("phone", "640.00 EUR", device="new-phone")
    print("phone   ", phone["state"])
    code = json.loads(open("run/codes.jsonl").read().splitlines()[-1])["text"]["en"][:6]
    print("  code  ", on(phone, "challenge", {"code": code})["state"])
    opened = on(phone, "disputes", {"id": "d1", "event": "opened", "reason": {"scheme": "visa", "code": "10.4"}})
    print("  dispute", opened["state"])
    print("  won   ", on(phone, "disputes", {"id": "d1", "event": "won"})["state"])

    for method, wallet in [("alipay", "http://127.0.0.1:8600"), ("wechatpay", "http://127.0.0.1:8601")]:
        tea = check_out(method, "58.00 CNY", method=method)
        print(f"tea by {method}:", tea["state"], tea["pay_url"])
        key = re.search(r"[0-9a-f]{32}", tea["pay_url"]).group()
        ask("POST", f"/simulate/{key}/pay", {}, wallet)  # the customer scans
        print("  paid  ", until(tea, "captured")["state"])

    time.sleep(1)
    print("webhooks", ", ".join(Hooks.heard))
    wanted = ["captured", "partially_refunded", "challenged", "disputed", "won"]
    missing = [state for state in wanted if f"payment.{state}" not in Hooks.heard]
    sys.exit(f"not heard of: {missing}" if missing else 0)


if __name__ == "__main__":
    main()
