#!/usr/bin/env python3
"""Writes the seeds of the fuzz corpora: corpus/NAME/seed-*. Findings stand beside them under other
names and are left alone. The same bytes every time."""

import base64
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent


def put(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(data if isinstance(data, bytes) else data.encode())


def event(number, kind="Changed", data=b"{}", tags=(), metadata=b"", content_type=b""):
    packed = b"".join(bytes([len(tag)]) + tag for tag in tags)
    kind = kind.encode()
    return (struct.pack("<16sIHHHBBBB", bytes([number] * 16), len(data), len(metadata),
                        len(packed), 1, len(kind), len(content_type), 0, 0)
            + kind + content_type + packed + metadata + data)


def frame(streams, first=5, append=1):
    """`streams`: (name, events). The checksums are the target's to put right."""
    heads = b"".join(struct.pack("<QQ", 3, 4) for _ in streams)
    table = b"".join(struct.pack("<HB", len(events), len(name)) + name
                     for name, events in streams)
    body = table + b"".join(b"".join(events) for _, events in streams)
    count = sum(len(events) for _, events in streams)
    return (struct.pack("<IIIHH16s16sQQ", 0, 0, len(body), len(streams), count,
                        bytes([append] * 16), bytes(16), first, 7) + heads + body)


FRAMES = {
    "one": frame([(b"account-1", [event(1)])]),
    "tags": frame([(b"account-1", [event(1, tags=(b"a", b"bb", b""), metadata=b'{"a":1}')])]),
    "streams": frame([(b"account-1", [event(1), event(2)]), (b"check-1", []),
                      (b"order-9", [event(3, data=b"x" * 200, content_type=b"text/plain")])]),
}


def group(what, frames):
    data = bytes(64) + b"".join(frames)
    return struct.pack("<BH", what, len(data)) + data


def log_seeds():
    for name, data in FRAMES.items():
        put("frame", name, data)
    one, tags, streams = FRAMES.values()
    put("segment", "good", group(13, [one]) + group(13, [tags, streams]) + group(13, []))
    put("segment", "torn", group(13, [one]) + group(12, [tags]) + group(13, [streams]))
    put("segment", "group-sum", group(13, [one]) + group(2, [one]))
    put("segment", "frames-unmended", group(13, [one]) + group(9, [tags]))
    put("block", "raw", struct.pack("<HIH", 0, len(one) - 1, 1) + one)
    put("block", "text", b"abcabcabcabc" * 30)
    for name, sealed in (("open", 0), ("sealed", 1)):
        put("recovery", f"{name}-untouched", bytes([sealed]))
        put("recovery", f"{name}-flip", struct.pack("<BBBIB", sealed, 1, 0, 5_000, 3))
        put("recovery", f"{name}-cut", struct.pack("<BBBI", sealed, 1, 4, 9_000))
        put("recovery", f"{name}-removed", struct.pack("<BB", sealed, 0x82))
        put("recovery", f"{name}-zeroed", struct.pack("<BBBIH", sealed, 0x41, 2, 4_096, 4_096))
        put("recovery", f"{name}-copied",
            struct.pack("<BBBIIH", sealed, 2, 3, 4_096, 8_192, 4_096))
    for name, mend in (("as-is", 0), ("mended", 1)):
        put("sealed", f"{name}-untouched", struct.pack("<BH", mend, 50))
        for which, part in ((0, "segment"), (1, "index"), (2, "ends")):
            put("sealed", f"{name}-{part}-flip",
                struct.pack("<BHBBIB", mend, 50, which, 0, 4_100, 1))
            put("sealed", f"{name}-{part}-number",
                struct.pack("<BHBBIB", mend, 50, which, 5, 4_104, 13))
            put("sealed", f"{name}-{part}-cut", struct.pack("<BHBBI", mend, 50, which, 4, 9_000))


def request_seeds():
    host = "Host: a\r\n"
    seeds = {
        "get": f"GET / HTTP/1.1\r\n{host}\r\n",
        "pipelined": f"GET /accounts/a%2Fb?limit=3 HTTP/1.1\r\n{host}\r\n" * 3,
        "post": f"POST /v1/append HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\n{{}}",
        "chunked": f"POST /v1/append HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n"
                   "3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
                   f"GET / HTTP/1.1\r\n{host}\r\n",
        "both": f"POST / HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                "0\r\n\r\n",
        "two-lengths": f"POST / HTTP/1.1\r\n{host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nab",
        "folded": f"GET / HTTP/1.1\r\n{host}A: b\r\n c\r\n\r\n",
        "bare-lf": "GET / HTTP/1.1\nHost: a\n\n",
        "expect": f"POST / HTTP/1.1\r\n{host}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "absolute": f"GET http://a/v1/streams/x-1?from=2024-01-01 HTTP/1.1\r\n{host}\r\n",
        "old": "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "options": f"OPTIONS * HTTP/1.1\r\n{host}\r\n",
        "large": f"POST / HTTP/1.1\r\n{host}Content-Length: 4097\r\n\r\n" + "x" * 50,
        "long-head": f"GET /{'a' * 2100} HTTP/1.1\r\n{host}\r\n",
        "headers": f"GET /accounts/1?type=a&type=b HTTP/1.1\r\n{host}"
                   "Accept: text/csv;q=0.5, */*\r\n"
                   "Idempotency-Key: k\r\nContent-Type: application/json; charset=utf-8\r\n"
                   "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
        "upgrade": f"GET / HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    }
    for name, text in seeds.items():
        put("request", name, b"\x03" + text.encode())
        put("request", name + "-bytewise", b"\x04" + text.encode())


EVERYTHING = ('{"truth": true, "count": 3, "signed_count": -4, "real": 1.5e3,'
              '"text": "a\\u00e9\\n",'
              '"amount": "12.30", "fee": null, "currency": "USD", "at": "2024-02-29T01:02:03Z",'
              '"id": "0190c6a1-3f2e-7abc-8def-0123456789ab", "version": 7, "colour": "green",'
              '"inner_part": {"small": -1, "names": ["x", ""]}, "more": []}')


def text_seeds():
    put("json", "everything", EVERYTHING)
    put("json", "camel", EVERYTHING.replace("signed_count", "signedCount")
        .replace("inner_part", "innerPart"))
    put("json", "literals", "[null, true, false, 0, -0.5, 1e-7, 123456789012345678901234567890]")
    put("json", "escapes", '"\\u0041\\ud83d\\ude00\\/\\b\\f\\"\\\\"')
    put("json", "lone-surrogate", '"\\ud83d"')
    put("json", "twice", '{"a": 1, "\\u0061": 2}')
    put("json", "deep", "[" * 63 + "]" * 63)
    put("json", "too-deep", "[" * 70 + "]" * 70)
    put("json", "not-utf8", b'"\xff\xfe"')
    put("json", "space", ' \t\r\n{ "a" : [ 1 , 2 ] } ')
    put("append", "small", '{"streams":[{"stream":"account-1","events":[{"type":"T","data":{}}]}]}')
    put("append", "all", '{"id":"0190c6a1-3f2e-7abc-8def-0123456789ab","streams":[{"stream":'
        '"account-1","expected":{"version":0,"tip":"0000000000000000"},"events":[{"type":"T",'
        '"tags":["a","b"],"dataBase64":"AAE=","contentType":"text/plain","schemaVersion":2,'
        '"metadata":{"x": 1}}]},{"stream":"b-1","expected":"none"}],"condition":{"failIf":'
        '[{"types":["T"],"tags":["a"]}],"after":0}}')
    put("append", "twice", '{"streams":[{"stream":"a-1"},{"stream":"a-1"}]}')
    put("append", "pure", '{"streams":[{"stream":"a-1","expected":"any"}]}')
    token = base64.urlsafe_b64encode(bytes([1]) + bytes(36)).rstrip(b"=")
    put("token", "token", token)
    put("token", "token-bytes", struct.pack("<BQQQQ", 1, 1, 7, 9, 3))
    put("token", "cursor-bytes", struct.pack("<BQBBqBI3s", 1, 0, 2, 1, -5, 3, 3, b"abc"))
    for name, text in (("time", "2024-02-29T23:59:59.999999999+02:00"), ("date", "2024-12-31"),
                       ("uuid", "0190c6a1-3f2e-7abc-8def-0123456789ab"), ("amount", "-0012.3400"),
                       ("large", "92233720368547758.07"), ("base64", "AAEC/w=="),
                       ("base64url", "AAEC_w")):
        put("token", name, text)


COLUMNS = """format = "columns"
skip_lines = 1
columns = ["customer", "date", "count", "amount"]
[[command]]
when = "first_of customer"
call = "POST /accounts"
[command.body]
id = "c-{customer}"
occurredAt = "{date:YYYYMMDD}"
[[command]]
when = "amount > 0 and not (count == '0')"
call = "POST /accounts/c-{customer}/deposit"
body = { amount = "{amount}", n = "{count:number}", o = "{count:optional}", l = [1, "{{x}}"] }
---
head
00001 19970101  1   11.77
00002 19970112  0   12.00
"""


def import_seeds():
    put("import", "columns", COLUMNS)
    put("import", "csv", 'format = "csv"\nkey = ["b"]\n[[command]]\ncall = "POST /x/{a}"\n'
        'body = { t = "{b}", f = "{c:boolean}" }\n---\na,b,c\r\n1,"x, ""y""\nz",true\r\n')
    put("import", "ndjson", 'format = "ndjson"\n[[command]]\nwhen = "a != \\"x\\" or b <= 1.5"\n'
        'call = "POST /x"\nbody = { t = "{a}" }\n---\n{"a": "y", "b": 1}\n{"a": null}\n')


def main():
    log_seeds()
    request_seeds()
    text_seeds()
    import_seeds()


if __name__ == "__main__":
    main()
