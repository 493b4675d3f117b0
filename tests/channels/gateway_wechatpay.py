"""WeChat Pay, played by wechatpayv3. Keys: argv[1] is the merchant's public key, argv[2] WeChat Pay's private one.

`GET /notification/TOTAL` gives a notification as JSON, signed and sealed: its headers and its body.
"""

import base64
import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from wechatpayv3.utils import aes_decrypt, load_private_key, load_public_key, rsa_sign, rsa_verify

merchant = load_public_key(open(sys.argv[1]).read())
wechat = load_private_key(open(sys.argv[2]).read())
API_KEY = "0123456789abcdef0123456789abcdef"
SERIAL = "PUB_KEY_ID_0119000000012026"
ORDER = "07" * 16


def signed(body):
    at, nonce = str(int(time.time())), "c5ac7061fccab6bf3e254dcf98995b8c"
    return {
        "Wechatpay-Timestamp": at, "Wechatpay-Nonce": nonce, "Wechatpay-Serial": SERIAL,
        "Wechatpay-Signature": rsa_sign(wechat, f"{at}\n{nonce}\n{body}\n"),
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def notification(total):
    plain = json.dumps({
        "mchid": "1900000001", "appid": "wxd678efh567hg6787", "out_trade_no": ORDER, "trade_state": "SUCCESS",
        "amount": {"total": total, "currency": "CNY"}, "attach": "鞋",
    }, ensure_ascii=False)
    sealed = AESGCM(API_KEY.encode()).encrypt(b"fdasflkja484", plain.encode(), b"transaction")
    sealed = base64.b64encode(sealed).decode()
    assert aes_decrypt("fdasflkja484", sealed, "transaction", API_KEY) == plain
    return json.dumps({"id": "1", "event_type": "TRANSACTION.SUCCESS", "resource": {
        "algorithm": "AEAD_AES_256_GCM", "ciphertext": sealed, "associated_data": "transaction",
        "nonce": "fdasflkja484"}})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        body = body.encode()
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def judged(self, body):
        """Whether the request's signature is right, and whether it would be for another body."""
        header = self.headers["authorization"]
        scheme, _, rest = header.partition(" ")
        parts = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        head = f"{self.command}\n{self.path}\n{parts['timestamp']}"
        check = lambda b: rsa_verify(head, parts["nonce_str"], b, parts["signature"], merchant)
        right = scheme == "WECHATPAY2-SHA256-RSA2048" and parts["mchid"] == "1900000001" and check(body)
        return f"{right},{check(body + ' ')}".lower()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        said = json.dumps({"code_url": self.judged(body)})
        self.answer(200, said, signed(said))

    def do_GET(self):
        if self.path.startswith("/notification/"):
            body = notification(int(self.path.rsplit("/", 1)[1]))
            self.answer(200, json.dumps({"headers": signed(body), "body": body}), {})
            return
        number = re.search(r"out-trade-no/(\w+)", self.path)[1]
        state = "SUCCESS" if self.judged("") == "true,false" else "NOTPAY"
        said = json.dumps({"out_trade_no": number, "mchid": "1900000001", "trade_state": state,
                           "amount": {"total": 1234, "currency": "CNY"}, "attach": "鞋"}, ensure_ascii=False)
        headers = signed(said)
        # Money that was not signed for.
        self.answer(200, said.replace("1234", "1235") if number.startswith("ff") else said, headers)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
