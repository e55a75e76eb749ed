"""What every call has in common: names, times, money, lists, errors, repeats, tokens, limits."""

import http.client
import json
import re
import socket
import threading

from harness import ServerCase, start_server, stop_server

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


def setUpModule():
    start_server()


def tearDownModule():
    stop_server()


class Names(ServerCase):
    def test_answers_are_in_camel_case_and_times_in_utc_with_six_decimals(self):
        account = self.client.fresh(self.client.open(initialDeposit="1"))
        for name in ("accountId", "ownerName", "currentBalance", "transactionCount30days",
                     "totalTransfersOut", "isActive", "lastUpdated"):
            self.assertIn(name, account.json)
        for name in ("createdAt", "updatedAt", "lastTransactionAt"):
            self.assertRegex(account[name], TIME)

    def test_events_pass_as_they_are_stored(self):
        answer = self.client.open(initialDeposit="1.50", userId="u", occurredAt="2024-01-02")
        stream = self.client.get(f"/v1/streams/account-{answer['id']}")
        [event] = stream["events"]
        self.assertEqual(event["data"], {"user_id": "u", "owner_name": "Ada", "currency": "USD",
                                         "account_type": "CHECKING", "initial_deposit": "1.50"})
        self.assertEqual((event["type"], event["position"]),
                         ("AccountCreated", answer["position"]))
        self.assertEqual(event["metadata"]["occurred_at"], "2024-01-02T00:00:00.000000Z")

    def test_members_in_snake_case_are_unknown(self):
        answer = self.client.post("/accounts", {"owner_name": "Ada"})
        self.refused(answer, 400, "malformed", pointer="/owner_name")

    def test_a_time_may_have_an_offset_or_be_a_date(self):
        account = self.client.new()
        for given, kept in (("2024-02-29", "2024-02-29T00:00:00.000000Z"),
                            ("2024-03-01T02:00:00+02:00", "2024-03-01T00:00:00.000000Z"),
                            ("2024-03-02T01:02:03.123456789Z", "2024-03-02T01:02:03.123456Z")):
            answer = self.client.deposit(account, "1", occurredAt=given)
            self.assertEqual(answer.status, 200, answer)
            page = self.client.history(account, token=answer["token"], limit=1)
            self.assertEqual(page["items"][0]["timestamp"], kept)

    def test_what_is_no_time_is_malformed(self):
        account = self.client.new()
        for given in ("yesterday", "2024-02-30", "2024-01-01T25:00:00Z", "", 5, "2024-01-01 10:00"):
            answer = self.client.deposit(account, "1", occurredAt=given)
            self.refused(answer, 400, "malformed", pointer="/occurredAt")
        self.refused(self.client.history(account, **{"from": "soon"}), 400, "malformed")

    def test_from_is_inclusive_and_to_exclusive(self):
        account = self.client.new()
        for day in (1, 2, 3):
            answer = self.client.deposit(account, day, occurredAt=f"2024-01-0{day}")
        page = self.client.history(account, token=answer["token"],
                                   **{"from": "2024-01-01", "to": "2024-01-03"})
        self.assertEqual([item["amount"] for item in page["items"]], ["2.00", "1.00"])


class Amounts(ServerCase):
    def test_an_integer_number_is_whole_units(self):
        answer = self.client.deposit(self.client.new(), 12)
        self.assertEqual(answer["balance"], "12.00")

    def test_a_fraction_as_a_number_is_malformed(self):
        account = self.client.new()
        for text in ("12.5", "12.0", "1e2"):
            answer = self.client.post(f"/accounts/{account}/deposit", '{"amount": %s}' % text)
            self.refused(answer, 400, "malformed", pointer="/amount")

    def test_a_text_that_is_no_amount_is_invalid(self):
        account = self.client.new()
        for text in ("abc", "", "1.", ".5", "+1", "1e3", "1,5", " 1", "0", "0.00", "-5", "1.001",
                     "92233720368547758.08", "9" * 40):
            self.refused(self.client.deposit(account, text), 422, "amount_invalid")
        for number in (0, -5, 92233720368547759, 10 ** 30):
            self.refused(self.client.deposit(account, number), 422, "amount_invalid")

    def test_other_types_are_malformed(self):
        account = self.client.new()
        for value in (None, True, [], {"amount": "1"}):
            self.refused(self.client.deposit(account, value), 400, "malformed", pointer="/amount")


class Lists(ServerCase):
    def test_a_list_has_fifty_items_unless_told_otherwise(self):
        account = self.client.new()
        for number in range(1, 53):
            answer = self.client.deposit(account, number)
        first = self.client.history(account, token=answer["token"])
        self.assertEqual(len(first["items"]), 50)
        second = self.client.history(account, cursor=first["next"])
        self.assertEqual([item["amount"] for item in second["items"]], ["2.00", "1.00"])
        self.assertIsNone(second["next"])

    def test_pages_neither_repeat_nor_skip(self):
        account = self.client.new()
        for number in range(1, 24):
            answer = self.client.deposit(account, number, occurredAt="2024-05-05")
        self.client.fresh(answer)
        for limit in (1, 7, 22, 23, 24):
            items, pages = self.client.pages(f"/accounts/{account}/transactions", limit=limit,
                                             token=answer["token"])
            self.assertEqual([item["amount"] for item in items],
                             [f"{number}.00" for number in range(23, 0, -1)])
            self.assertEqual(pages, -(-23 // limit))

    def test_a_limit_out_of_range_or_a_foreign_cursor_is_malformed(self):
        account = self.client.new()
        for limit in ("0", "1001", "-1", "x", "", "1.5"):
            self.refused(self.client.history(account, limit=limit), 400, "malformed")
            self.refused(self.client.get("/accounts", limit=limit), 400, "malformed")
        self.assertEqual(self.client.get("/accounts", limit=1000).status, 200)
        for cursor in ("x", "AAAA", "%00"):
            self.refused(self.client.history(account, cursor=cursor), 400, "malformed")
        other = self.client.new("1")
        self.client.deposit(other, "1")
        page = self.client.get("/accounts", limit=1)
        self.refused(self.client.history(other, cursor=page["next"]), 400, "malformed")


class Errors(ServerCase):
    def test_bodies_that_are_not_json_are_malformed(self):
        for body in ("", "{", "[]", "null", "nonsense", '{"ownerName": "Ada"} x',
                     "{'ownerName': 1}", '{"ownerName": "Ada",}', b'{"ownerName": "\xff"}',
                     "[" * 100 + "]" * 100):
            self.refused(self.client.post("/accounts", body), 400, "malformed")

    def test_unknown_duplicate_and_missing_members_are_malformed(self):
        self.refused(self.client.open(colour="red"), 400, "malformed", pointer="/colour")
        self.refused(self.client.post("/accounts", "{}"), 400, "malformed", pointer="/ownerName")
        self.refused(self.client.post("/accounts", '{"ownerName": "A", "ownerName": "B"}'), 400,
                     "malformed", pointer="/ownerName")

    def test_members_of_a_wrong_type_are_malformed(self):
        for name, value in (("ownerName", 5), ("currency", 840), ("accountType", "GOLD"),
                            ("userId", []), ("id", True), ("initialDeposit", {})):
            self.refused(self.client.open(**{name: value}), 400, "malformed", pointer="/" + name)

    def test_bad_query_parameters_are_malformed(self):
        account = self.client.new()
        for query in ("atVersion=x", "atVersion=-1", "atTime=now", "unknown=1", "limit=5",
                      "atVersion=1&atVersion=2", "atVersion=1&atTime=2024-01-01"):
            self.refused(self.client.get(f"/accounts/{account}?{query}"), 400, "malformed")
        for query in ("active=yes", "owner=", "limit=5&limit=5"):
            self.refused(self.client.get(f"/accounts?{query}"), 400, "malformed")
        for query in ("type=GIFT", "from=2024-02-01&to=2024-01-01"):
            self.refused(self.client.get(f"/accounts/{account}/transactions?{query}"), 400,
                         "malformed")

    def test_unknown_things_are_not_found(self):
        self.refused(self.client.get("/nothing"), 404, "route_unknown")
        self.refused(self.client.get("/accounts/nobody/nothing"), 404, "route_unknown")
        for path in ("", "/transactions", "/statement"):
            self.refused(self.client.get("/accounts/nobody" + path), 404, "account_unknown")
        for call, body in (("deposit", {"amount": 1}), ("withdraw", {"amount": 1}), ("close", {}),
                           ("transfer", {"amount": 1, "to": "x"})):
            self.refused(self.client.post(f"/accounts/nobody/{call}", body), 404,
                         "account_unknown")

    def test_a_method_that_a_path_does_not_have_is_answered_with_those_it_has(self):
        answer = self.client.request("DELETE", "/accounts")
        self.refused(answer, 405, "method_not_allowed")
        self.assertIn("GET", answer.headers["Allow"])
        self.assertIn("POST", answer.headers["Allow"])
        self.refused(self.client.get("/accounts/1/deposit"), 405, "method_not_allowed")

    def test_a_body_of_another_type_is_refused(self):
        answer = self.client.post("/accounts", b"ownerName=Ada",
                                  {"Content-Type": "application/x-www-form-urlencoded"})
        self.refused(answer, 415, "media_type")
        answer = self.client.post("/accounts", '{"ownerName": "Ada"}',
                                  {"Content-Type": "application/json; charset=utf-8"})
        self.assertEqual(answer.status, 201, answer)

    def test_a_form_that_is_not_offered_is_not_acceptable(self):
        account = self.client.new()
        answer = self.client.get(f"/accounts/{account}/statement", {"Accept": "image/png"})
        self.refused(answer, 406, "not_acceptable")

    def test_no_call_of_the_bank_gives_another_form(self):
        account = self.client.new("5")
        for path in ("/accounts", f"/accounts/{account}", f"/accounts/{account}/transactions"):
            self.refused(self.client.get(path, {"Accept": "image/png"}), 406, "not_acceptable")

    def test_a_body_or_a_header_that_is_too_large_is_refused(self):
        body = b'{"ownerName": "' + b"a" * (8 * 1024 * 1024) + b'"}'
        answer = self.client.post("/accounts", body)
        self.refused(answer, 413, "too_large")
        self.assertIn("limit", answer.json)
        with socket.create_connection(("127.0.0.1", ServerCase.server.port), timeout=20) as plain:
            plain.sendall(b"GET /accounts HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 17000)
            plain.sendall(b"\r\n\r\n")
            answer = http.client.HTTPResponse(plain)
            answer.begin()
            self.assertEqual(answer.status, 431)
            self.assertEqual(json.loads(answer.read())["code"], "header_too_large")

    def test_a_problem_says_what_was_expected_and_found(self):
        answer = self.client.post("/accounts", {"ownerName": 5})
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "application/problem+json")
        self.assertIn("string", answer["detail"])
        self.assertIn("5", answer["detail"])
        self.assertTrue(answer["title"])


class Repeats(ServerCase):
    def test_the_same_key_does_a_command_once_and_answers_the_same(self):
        account = self.client.new()
        first = self.client.deposit(account, "5", key="k-" + account)
        self.assertNotIn("Idempotent-Replayed", first.headers)
        for _ in range(3):
            again = self.client.deposit(account, "5", key="k-" + account)
            self.assertEqual((again.status, again.body), (first.status, first.body))
            self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        self.assertEqual(self.client.fresh(first)["balance"], "5.00")

    def test_opening_again_with_the_key_gives_the_account_that_was_made(self):
        key = "open-" + self.client.new()
        first = self.client.post("/accounts", {"ownerName": "Ada"}, key=key)
        again = self.client.post("/accounts", {"ownerName": "Ada"}, key=key)
        self.assertEqual((again.status, again.body), (201, first.body))
        self.assertEqual(again.headers["Location"], first.headers["Location"])

    def test_a_command_is_known_again_however_it_is_spelled(self):
        account = self.client.new()
        path, key = f"/accounts/{account}/deposit", "spelled-" + account
        first = self.client.post(path, '{"amount":"5","reference":"r"}', key=key)
        again = self.client.post(path, ' {"reference" : "\\u0072", "amount": "5"} ', key=key)
        self.assertEqual(again.body, first.body)
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")

    def test_a_default_that_is_told_makes_no_other_command(self):
        key = "default-" + self.client.new()
        first = self.client.post("/accounts", {"ownerName": "Ann"}, key=key)
        again = self.client.post("/accounts", {"ownerName": "Ann", "currency": "USD",
                                               "accountType": "CHECKING"}, key=key)
        self.assertEqual((again.status, again.body), (201, first.body))
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")

    def test_a_key_of_a_command_is_not_taken_for_an_append(self):
        account = self.client.new()
        key = "append-" + account
        self.assertEqual(self.client.deposit(account, "5", key=key).status, 200)
        append = {"streams": [{"stream": "other-1", "events": [{"type": "A", "data": 1}]}]}
        self.refused(self.client.post("/v1/append", append, key=key), 422, "id_reused")

    def test_the_same_key_for_another_command_is_refused(self):
        account = self.client.new("10")
        key = "other-" + account
        self.assertEqual(self.client.deposit(account, "5", key=key).status, 200)
        self.refused(self.client.deposit(account, "6", key=key), 422, "id_reused")
        self.refused(self.client.withdraw(account, "5", key=key), 422, "id_reused")
        other = self.client.new()
        self.refused(self.client.deposit(other, "5", key=key), 422, "id_reused")

    def test_an_amount_that_is_spelled_otherwise_is_the_same_command(self):
        account = self.client.new("10")
        key = "spelled-" + account
        first = self.client.withdraw(account, "1.50", key=key, fee="0")
        self.assertEqual(first.status, 200, first)
        for amount, fee in (("1.5", 0), ("01.50", "0.00"), ("1.5", "-0")):
            again = self.client.withdraw(account, amount, key=key, fee=fee)
            self.assertEqual((again.status, again.body), (200, first.body))
            self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        self.refused(self.client.withdraw(account, "1.05", key=key, fee="0"), 422, "id_reused")

    def test_a_rejected_command_is_judged_again(self):
        account = self.client.new()
        key = "again-" + account
        self.refused(self.client.withdraw(account, "5", key=key), 422, "insufficient_funds")
        self.client.deposit(account, "5")
        accepted = self.client.withdraw(account, "5", key=key)
        self.assertEqual(accepted.status, 200, accepted)
        self.assertNotIn("Idempotent-Replayed", accepted.headers)

    def test_of_many_at_once_with_one_key_one_is_done(self):
        account = self.client.new()
        answers, start = [], threading.Barrier(8)

        def send():
            client = ServerCase.server.client()
            start.wait()
            answers.append(client.deposit(account, "5", key="at-once-" + account))
            client.close()

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({(answer.status, answer.body) for answer in answers},
                         {(200, answers[0].body)})
        self.assertEqual(sum("Idempotent-Replayed" not in answer.headers for answer in answers), 1)
        self.assertEqual(self.client.fresh(answers[0])["balance"], "5.00")

    def test_a_key_has_1_to_255_printable_characters(self):
        account = self.client.new()
        self.assertEqual(self.client.deposit(account, 1, key=account.ljust(255, "x")).status, 200)
        for key in ("", "x" * 256, "caf\u00e9", "a\tb"):
            self.refused(self.client.deposit(account, 1, key=key), 400, "malformed")


class Tokens(ServerCase):
    def test_an_answer_has_its_token_as_member_and_header(self):
        answer = self.client.open()
        self.assertEqual(answer["token"], answer.headers["Stele-Token"])
        self.assertRegex(answer["token"], r"^[A-Za-z0-9_-]{1,128}$")

    def test_a_read_with_the_token_shows_the_write(self):
        account = self.client.new()
        for number in range(1, 51):
            answer = self.client.deposit(account, 1)
            self.assertEqual(self.client.fresh(answer)["balance"], f"{number}.00")
            page = self.client.get(f"/accounts/{account}/transactions?limit=1000",
                                   {"Stele-Token": answer["token"]})
            self.assertEqual(len(page["items"]), number)
        statement = self.client.get(f"/accounts/{account}/statement", token=answer["token"])
        self.assertEqual(statement["closingBalance"], "50.00")

    def test_the_payees_side_of_a_transfer_is_shown_too(self):
        payer, payee = self.client.new("100"), self.client.new()
        for number in range(1, 21):
            answer = self.client.transfer(payer, payee, 1)
            self.assertEqual(self.client.account(payee, token=answer["token"])["balance"],
                             f"{number}.00")

    def test_a_newcomer_is_found_without_a_token(self):
        for _ in range(30):
            account = self.client.new("1")
            answer = self.client.account(account)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer["transactionCount30days"], 1)
            self.assertEqual(len(self.client.history(self.client.new("1"))["items"]), 1)

    def test_what_is_no_token_is_refused(self):
        account = self.client.new()
        for token in ("x", "AAAA", "a" * 129, "!!"):
            self.refused(self.client.account(account, token=token), 400, "token_invalid")
            answer = self.client.get("/accounts", {"Stele-Token": token})
            self.refused(answer, 400, "token_invalid")


class Limits(ServerCase):
    def test_an_id_has_1_to_64_of_its_characters(self):
        tail = self.client.new().replace("-", "")
        self.assertEqual(self.client.open(id=tail.ljust(64, "~")).status, 201)
        for name in ("", "a" * 65, "a b", "a/b", "caf\u00e9", "a%20b", "a:b"):
            self.refused(self.client.open(id=name), 400, "malformed", pointer="/id")
        for path in ("a%20b", "a" * 65, "%C3%A9"):
            self.refused(self.client.get(f"/accounts/{path}"), 400, "malformed")
            self.refused(self.client.post(f"/accounts/{path}/deposit", {"amount": 1}), 400,
                         "malformed")

    def test_texts_have_a_size(self):
        self.assertEqual(self.client.open(ownerName="a" * 256).status, 201)
        self.refused(self.client.open(ownerName="a" * 257), 400, "malformed", pointer="/ownerName")
        self.refused(self.client.open(ownerName=""), 400, "malformed", pointer="/ownerName")
        account = self.client.new()
        self.refused(self.client.deposit(account, 1, reference="a" * 1025), 400, "malformed",
                     pointer="/reference")

    def test_a_deadline_is_from_a_little_above_0_to_60_seconds(self):
        account = self.client.new()
        for seconds in ("5", "0.5", "60"):
            self.assertEqual(self.client.get(f"/accounts/{account}",
                                             {"Stele-Timeout": seconds}).status, 200)
        for seconds in ("x", "-1"):
            self.refused(self.client.get(f"/accounts/{account}", {"Stele-Timeout": seconds}), 400,
                         "malformed")


class Platform(ServerCase):
    def test_the_description_names_every_call_of_the_bank(self):
        paths = self.client.contract().document["paths"]
        for path, methods in (("/accounts", {"get", "post"}), ("/accounts/{id}", {"get"}),
                              ("/accounts/{id}/deposit", {"post"}),
                              ("/accounts/{id}/withdraw", {"post"}),
                              ("/accounts/{id}/transfer", {"post"}),
                              ("/accounts/{id}/close", {"post"}),
                              ("/accounts/{id}/transactions", {"get"}),
                              ("/accounts/{id}/statement", {"get"})):
            self.assertLessEqual(methods, set(paths[path]), path)

    def test_the_server_says_that_it_lives_and_is_ready(self):
        self.assertEqual(self.client.get("/health/live").status, 200)
        ready = self.client.get("/health/ready")
        self.assertEqual(ready.status, 200, ready)
        for check in ready["checks"]:
            self.assertLessEqual({"name", "status"}, set(check))

    def test_metrics_bear_the_prefix(self):
        self.client.new()
        names = [line.split("{")[0].split(" ")[0]
                 for line in self.client.raw("GET", "/metrics").body.decode().splitlines()
                 if line and not line.startswith("#")]
        self.assertTrue(names)
        for name in names:
            self.assertTrue(name.startswith("stele_"), name)

    def test_head_is_a_get_without_its_body(self):
        account = self.client.new()
        answer = self.client.request("HEAD", f"/accounts/{account}")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertGreater(int(answer.headers["Content-Length"]), 0)
