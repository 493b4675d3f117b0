"""A merchant with wechatpayv3, at the simulated wallet: argv[1] is its address, argv[2] the folder of keys."""

import json
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from wechatpayv3 import WeChatPay, WeChatPayType

gateway, folder = sys.argv[1], Path(sys.argv[2])
read = lambda name: (folder / name).read_text()
ORDER, BACK = "0" * 31 + "1", "0" * 31 + "2"
told = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        told.append((dict((name.lower(), value) for name, value in self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()


def merchant(private, public):
    pay = WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE, mchid="1900000001", private_key=read(private),
        cert_serial_no="5157F09EFDC096DE15EBE81A47057A7232F1B8E1", apiv3_key=read("api_key"),
        appid="wxd678efh567hg6787", notify_url=f"http://127.0.0.1:{server.server_port}/told",
        public_key=read(public), public_key_id="PUB_KEY_ID_0119000000012026",
    )
    pay._core._gate_way = gateway
    return pay


def said(answer, status=200):
    assert answer[0] == status, answer
    return json.loads(answer[1]) if answer[1] else None


ours = merchant("merchant.pem", "wallet.pub.pem")
placed = said(ours.pay(description='鞋 & "50%"', out_trade_no=ORDER, amount={"total": 1234, "currency": "CNY"}))
assert placed["code_url"].startswith("weixin:")
pay = urllib.request.Request(f"{gateway}/simulate/{ORDER}/pay", method="POST")
assert urllib.request.urlopen(pay).status == 200
assert said(ours.query(out_trade_no=ORDER))["trade_state"] == "SUCCESS"
amount = {"refund": 200, "total": 1234, "currency": "CNY"}
assert said(ours.refund(out_refund_no=BACK, amount=amount, out_trade_no=ORDER))["status"] == "SUCCESS"
assert said(ours.query_refund(out_refund_no=BACK))["status"] == "SUCCESS"
said(ours.query(out_trade_no=BACK), 404)
other = "0" * 31 + "3"
said(ours.pay(description="x", out_trade_no=other, amount={"total": 1}))
assert said(ours.close(out_trade_no=other), 204) is None

while len(told) < 2:
    time.sleep(0.01)
numbers = set()
for headers, body in told:
    plain = ours.callback(headers, body)["resource"]
    numbers.add(plain.get("out_refund_no", plain["out_trade_no"]))
    assert ours.callback(headers, body.replace("SUCCESS", "FAILURE")) is None
assert numbers == {ORDER, BACK}, numbers

# Signed with another key, the request is refused; answered with another key, the SDK refuses the answer.
said(merchant("wallet.pem", "wallet.pub.pem").query(out_trade_no=ORDER), 401)
try:
    merchant("merchant.pem", "merchant.pub.pem").query(out_trade_no=ORDER)
    raise AssertionError("another key's answer was believed")
except Exception as error:
    assert "signature" in str(error), error
print("ok")
