"""ISO 8583 by pyiso8583, the other hand: it reads what we write and writes what we read.

card.py spec FILE: compares the tables of fields with `default_ascii`, and with that of 1993 below.
card.py institution PORT: plays an institution; every message must come out of decode and encode as it was.
card.py ask ADDRESS: asks the simulated institution.
"""
import copy
import re
import socket
import sys
import threading

import iso8583
from iso8583.specs import default_ascii

# ISO 8583:1993, fields 2 to 128: digits of the length where it varies, and the greatest length.
OF_1993 = """
2:19 6 12 12 12 10 8 8 8 6 12 4 4 6 4 4 4 3 3 3 12 3 3 4 4 1 6 3 24 2:99 2:11 2:11 2:28 2:37 3:104 12 6 3 3 8 15 2:99
2:99 2:76 3:204 3:999 3:999 3 3 3 16 2:96 3:120 3:510 2:35 3 2:11 3:999 3:999 3:999 3:999 3:999 16 16 3:204 2 3 3 3 8
3:999 6 10 10 10 10 10 10 10 10 10 10 10 10 16 16 16 16 10 3 3 2:11 2:11 2:99 3:999 17 25 2:11 2:11 2:17 2:28 2:28
3:100 16 16 10 10 2:84 2:84 3:999 3:999 3:999 3:999 3:999 3:999 3:999 3:999 3:999 3:999 3:999 3:999 3:999 3:999 3:999
3:999 3:999 16
""".split()
assert len(OF_1993) == 127
spec_1993 = copy.deepcopy(default_ascii)
for number, form in enumerate(OF_1993, 2):
    digits, _, most = form.rpartition(":")
    spec_1993[str(number)].update(len_type=int(digits or 0), max_len=int(most), data_enc="ascii", len_enc="ascii")
SPECS = {"0": default_ascii, "1": spec_1993}


def spec_of(kind):
    return SPECS[kind[0]]


KEY = "0123456789abcdef0123456789abcdef"
ECHOED = ["3", "4", "7", "11", "12", "13", "24", "37", "41", "42", "48", "49", "70"]


def receive(stream):
    head = stream.recv(2, socket.MSG_WAITALL)
    if len(head) < 2:
        return None
    return stream.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)


def send(stream, document):
    raw, _ = iso8583.encode(document, spec_of(document["t"]))
    stream.sendall(len(raw).to_bytes(2, "big") + raw)


def compare_spec(path):
    for edition, spec in [("1987", default_ascii), ("1993", spec_1993)]:
        table = open(path).read().split(f"OF_{edition}: [Form; FIELDS] = [")[1].split("];")[0]
        forms = re.findall(r"\b(b|n|ans|n2|ans2|ans3)\((\d+)\)", table)
        assert len(forms) == 128, len(forms)
        for number, (form, most) in enumerate(forms, 1):
            theirs = spec[str(number)]
            digits = int(form[-1]) if form[-1].isdigit() else 0
            assert (digits, int(most)) == (theirs["len_type"], theirs["max_len"]), (number, form, most, theirs)
            assert theirs["data_enc"] == theirs["len_enc"] == "ascii", number
        print(f"128 fields have the forms of {edition}")


def serve(stream):
    with stream:
        while (raw := receive(stream)) is not None:
            spec = spec_of(chr(raw[0]))
            document, _ = iso8583.decode(raw, spec)
            again, _ = iso8583.encode(dict(document), spec)
            assert bytes(again) == raw, document["t"]
            kind = document["t"]
            original = {"0": "90", "1": "56"}[kind[0]]
            if kind[1] != "8":
                assert document["48"].startswith("CK32") and len(document["43"]) == 40, kind
                assert document["43"].startswith("Shoes ? "), kind
                assert kind[1:3] != "10" or "2" in document, kind
                assert (original in document) == (kind[1:3] != "10"), kind
                assert kind[0] == "0" or (document["26"] == "5999" and len(document["12"]) == 12), kind
            answer = {field: document[field] for field in ECHOED if field in document}
            answer["t"] = kind[:2] + {"0": "1", "2": "3"}[kind[2]] + "0"
            good, poor = {"0": ("00", "51"), "1": ("400" if kind[1] == "4" else "000", "116")}[kind[0]]
            answer["39"] = poor if document.get("4", "").endswith("9051") else good
            answer["38"] = "A1B2C3"
            send(stream, answer)
            print("heard", kind, sorted(map(int, (f for f in document if f.isdigit()))), flush=True)


def institution(port):
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=serve, args=(stream,), daemon=True).start()


def authorization():
    return {
        "t": "0100", "2": "4111111111111111", "3": "000000", "4": "000000001999", "7": "1127120000", "11": "000042",
        "12": "120000", "13": "1127", "14": "2912", "18": "5999", "22": "810", "25": "59", "32": "123456",
        "37": "000000000042", "41": "TERMINAL", "42": "MERCHANT       ", "43": "SHOES".ljust(40), "48": "CK32" + KEY,
        "49": "978",
    }


def every_field():
    """All fields at once, at their greatest length where that is bounded."""
    document = authorization()
    for number in range(2, 129):
        form = default_ascii[str(number)]
        length = form["max_len"] if form["len_type"] < 3 else min(form["max_len"], 60)
        document.setdefault(str(number), "1" * length)
    document["48"] = "CK32" + "f" * 32
    return document


def ask(address):
    host, port = address.rsplit(":", 1)
    stream = socket.create_connection((host, int(port)), timeout=10)

    def asked(document, code):
        send(stream, document)
        raw = receive(stream)
        answer, _ = iso8583.decode(raw, spec_of(chr(raw[0])))
        for field in ["4", "7", "11", "37", "49"]:
            assert answer.get(field) == document.get(field), (document["t"], field)
        assert answer["t"] == document["t"][:2] + {"0": "1", "2": "3"}[document["t"][2]] + "0", answer["t"]
        assert answer["39"] == code, (document["t"], answer["39"])
        print("asked", document["t"], "->", answer["t"], answer["39"])

    paid = authorization()
    about = {**paid, "48": "CK32" + KEY[::-1] + "OK32" + KEY, "90": "01000000421127120000" + "0" * 22}
    asked({"t": "0800", "7": "1127120000", "11": "000001", "70": "301"}, "00")
    asked(paid, "00")
    asked({**paid, "t": "0101"}, "00")
    asked({**about, "t": "0220"}, "00")
    asked({**about, "t": "0221"}, "00")
    asked({**about, "t": "0200", "3": "200000", "48": "CK32" + "9" * 32 + "OK32" + KEY}, "00")
    asked({**about, "t": "0400", "48": "CK32" + "8" * 32 + "OK32" + KEY}, "12")
    asked({**paid, "t": "0420"}, "12")
    asked({**paid, "48": "CK32" + "7" * 32, "4": "000000009051"}, "51")
    newer = {field: paid[field] for field in paid if field not in ["13", "18", "22", "25"]}
    newer.update({"t": "1100", "12": "261127120000", "22": "000050600110", "24": "100", "26": "5999"})
    about = {**newer, "48": "CK32" + "5" * 32 + "OK32" + "6" * 32, "56": "110000004226112712000006123456"}
    asked({"t": "1800", "7": "1127120000", "11": "000001", "12": "261127120000", "24": "831"}, "800")
    asked({**newer, "48": "CK32" + "6" * 32}, "000")
    asked({**about, "t": "1220", "24": "201"}, "000")
    asked({**about, "t": "1200", "3": "200000", "24": "200", "48": "CK32" + "4" * 32 + "OK32" + "6" * 32}, "000")
    asked({**newer, "48": "CK32" + "3" * 32, "4": "000000009051"}, "116")
    asked(every_field(), "00")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["spec", path]:
            compare_spec(path)
        case ["institution", port]:
            institution(int(port))
        case ["ask", address]:
            ask(address)
        case _:
            sys.exit(__doc__)
