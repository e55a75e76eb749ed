"""The bank: every call, every rule, every figure of the read models."""

import csv
import datetime
import io

from harness import ServerCase, start_server, stop_server


def setUpModule():
    start_server()


def tearDownModule():
    stop_server()


def ago(**delta):
    time = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**delta)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Opening(ServerCase):
    def test_an_account_is_opened_in_dollars_for_checking(self):
        answer = self.client.open(ownerName="Ada")
        self.assertEqual(answer.status, 201)
        self.assertEqual(set(answer.json), {"id", "version", "position", "token"})
        self.assertEqual(answer.headers["Location"], "/accounts/" + answer["id"])
        self.assertEqual(answer["version"], 1)
        self.shows(self.client.fresh(answer), id=answer["id"], accountId=answer["id"],
                   ownerName="Ada", accountType="CHECKING", currency="USD", balance="0.00",
                   currentBalance="0.00", availableBalance="0.00", userId=None,
                   lastTransactionAt=None, transactionCount30days=0, totalDeposits="0.00",
                   isActive=True, version=1, position=answer["position"])

    def test_an_account_is_opened_as_told(self):
        name = "told-" + self.client.new()[:20]
        answer = self.client.open(id=name, ownerName="Gr\u00e4ce \u65e5", currency="KWD",
                                  accountType="SAVINGS", initialDeposit="1.234", userId="u-7")
        self.assertEqual(answer["id"], name)
        self.shows(self.client.fresh(answer), ownerName="Gr\u00e4ce \u65e5", currency="KWD",
                   accountType="SAVINGS", userId="u-7", balance="1.234", totalDeposits="1.234",
                   transactionCount30days=1)

    def test_an_id_is_taken_once(self):
        account = self.client.new()
        self.refused(self.client.open(id=account), 409, "account_exists")
        self.assertEqual(self.client.shut(account).status, 200)
        self.refused(self.client.open(id=account), 409, "account_exists")

    def test_every_currency_has_its_own_decimals(self):
        for currency, good, bad, shown in (("JPY", "500", "500.0", "500"),
                                           ("USD", "5.25", "5.250", "5.25"),
                                           ("KWD", "0.001", "0.0001", "0.001"),
                                           ("CLF", "1.0001", "1.00001", "1.0001")):
            self.refused(self.client.open(currency=currency, initialDeposit=bad), 422,
                         "amount_invalid")
            account = self.client.new(currency=currency)
            answer = self.client.deposit(account, good)
            self.shows(answer, balance=shown)
            self.refused(self.client.deposit(account, bad), 422, "amount_invalid")

    def test_an_unknown_currency_is_refused(self):
        for currency in ("XYZ", "usd", "US", "", "EURO"):
            self.refused(self.client.open(currency=currency), 422, "currency_unknown")

    def test_an_initial_deposit_may_be_0_and_not_below(self):
        self.assertEqual(self.client.open(initialDeposit="0").status, 201)
        self.refused(self.client.open(initialDeposit="-1"), 422, "amount_invalid")


class Moving(ServerCase):
    def test_a_deposit_and_a_withdrawal_answer_with_the_balance(self):
        account = self.client.new()
        answer = self.client.deposit(account, "12.30", reference="gift")
        self.shows(answer, id=account, version=2, balance="12.30")
        answer = self.client.withdraw(account, "2", fee="0.30")
        self.shows(answer, id=account, version=3, balance="10.00")
        self.shows(self.client.fresh(answer), balance="10.00", totalDeposits="12.30",
                   totalWithdrawals="2.30", transactionCount30days=2)

    def test_no_more_goes_out_than_there_is(self):
        account = self.client.new("5")
        self.refused(self.client.withdraw(account, "5.01"), 422, "insufficient_funds",
                     balance="5.00")
        self.refused(self.client.withdraw(account, "5", fee="0.01"), 422, "insufficient_funds")
        self.shows(self.client.withdraw(account, "4.99", fee="0.01"), balance="0.00")

    def test_a_fee_may_be_0_and_not_below(self):
        account = self.client.new("5")
        self.refused(self.client.withdraw(account, "1", fee="-0.01"), 422, "amount_invalid")
        self.refused(self.client.withdraw(account, "1", fee="0.001"), 422, "amount_invalid")
        self.shows(self.client.withdraw(account, "1", fee=0), balance="4.00")

    def test_the_currency_must_be_the_accounts(self):
        account = self.client.new("5")
        for send in (self.client.deposit, self.client.withdraw):
            self.refused(send(account, "1", currency="EUR"), 422, "currency_mismatch")
            self.refused(send(account, "1", currency="XYZ"), 422, "currency_unknown")
            self.shows(send(account, "1", currency="USD"))

    def test_a_balance_that_cannot_be_kept_is_refused(self):
        account = self.client.new("92233720368547758.07")
        self.refused(self.client.deposit(account, "0.01"), 422, "amount_invalid")

    def test_a_transfer_moves_money_in_one_step(self):
        payer, payee = self.client.new("100"), self.client.new("1")
        answer = self.client.transfer(payer, payee, "30", fee="0.50", reference="rent")
        self.shows(answer, id=payer, version=2, balance="69.50")
        self.shows(self.client.fresh(answer), balance="69.50", totalTransfersOut="30.50",
                   totalWithdrawals="0.00")
        self.shows(self.client.account(payee, token=answer["token"]), balance="31.00",
                   totalTransfersIn="30.00", totalDeposits="1.00", version=2)

    def test_a_transfer_needs_two_open_accounts_of_one_currency(self):
        payer, closed = self.client.new("100"), self.client.new()
        euros = self.client.new(currency="EUR")
        self.client.shut(closed)
        self.refused(self.client.transfer(payer, payer, 1), 422, "same_account")
        self.refused(self.client.transfer(payer, "nobody", 1), 422, "payee_unknown")
        self.refused(self.client.transfer(payer, closed, 1), 422, "account_closed")
        self.refused(self.client.transfer(closed, payer, 1), 422, "account_closed")
        self.refused(self.client.transfer(payer, euros, 1), 422, "currency_mismatch")
        self.refused(self.client.transfer(payer, euros, 1, currency="EUR"), 422,
                     "currency_mismatch")
        self.refused(self.client.transfer("nobody", payer, 1), 404, "account_unknown")
        self.refused(self.client.transfer(payer, self.client.new(), "100.01"), 422,
                     "insufficient_funds", balance="100.00")
        self.refused(self.client.transfer(payer, "a b", 1), 400, "malformed", pointer="/to")
        self.shows(self.client.account(payer), balance="100.00", version=1)

    def test_a_date_may_lie_five_minutes_ahead(self):
        account = self.client.new()
        self.assertEqual(self.client.deposit(account, 1, occurredAt=ago(minutes=-4)).status, 200)
        self.refused(self.client.deposit(account, 1, occurredAt=ago(minutes=-6)), 400, "malformed")


class Closing(ServerCase):
    def test_an_empty_account_is_closed_and_stays(self):
        account = self.client.new()
        answer = self.client.shut(account, reason="moved")
        self.shows(answer, id=account, version=2, balance="0.00")
        self.shows(self.client.fresh(answer), isActive=False, version=2)
        for send in (self.client.deposit, self.client.withdraw):
            self.refused(send(account, 1), 422, "account_closed")
        self.refused(self.client.shut(account), 422, "account_closed")

    def test_an_account_that_holds_money_is_not_closed(self):
        account = self.client.new("0.01")
        self.refused(self.client.shut(account), 422, "balance_not_zero", balance="0.01")

    def test_the_reason_may_be_left_out_with_the_body(self):
        account = self.client.new(currency="JPY")
        answer = self.client.raw("POST", f"/accounts/{account}/close")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer["balance"], "0")


class Summaries(ServerCase):
    def test_the_figures_add_up(self):
        one, two = self.client.new("100"), self.client.new("50")
        self.client.deposit(one, "10")
        self.client.withdraw(one, "5", fee="1")
        self.client.transfer(one, two, "20", fee="2")
        answer = self.client.transfer(two, one, "7")
        self.shows(self.client.account(one, token=answer["token"]), balance="89.00",
                   totalDeposits="110.00", totalWithdrawals="6.00", totalTransfersOut="22.00",
                   totalTransfersIn="7.00", transactionCount30days=5, version=5)

    def test_thirty_days_slide(self):
        account = self.client.new("1", occurredAt=ago(days=40))
        self.client.deposit(account, 1, occurredAt=ago(days=30, minutes=1))
        self.client.deposit(account, 1, occurredAt=ago(days=29, hours=23))
        answer = self.client.deposit(account, 1)
        self.shows(self.client.fresh(answer), transactionCount30days=2, balance="4.00")

    def test_dates_are_those_of_what_happened(self):
        answer = self.client.open(occurredAt="1997-01-01")
        account = answer["id"]
        answer = self.client.deposit(account, 1, occurredAt="1997-02-03T04:05:06Z")
        self.shows(self.client.fresh(answer), createdAt="1997-01-01T00:00:00.000000Z",
                   lastTransactionAt="1997-02-03T04:05:06.000000Z",
                   updatedAt="1997-02-03T04:05:06.000000Z")

    def test_accounts_are_listed_by_owner_and_activity(self):
        owner = "Owner of " + self.client.new()
        accounts = [self.client.new(ownerName=owner) for _ in range(5)]
        answer = self.client.shut(accounts[0])
        items, _ = self.client.pages("/accounts", owner=owner, limit=2, token=answer["token"])
        self.assertEqual({item["id"] for item in items}, set(accounts))
        items, _ = self.client.pages("/accounts", owner=owner, active="true")
        self.assertEqual({item["id"] for item in items}, set(accounts[1:]))
        items, _ = self.client.pages("/accounts", owner=owner, active="false")
        self.assertEqual([item["id"] for item in items], [accounts[0]])
        self.assertEqual(items[0], self.client.account(accounts[0]).json)


class Histories(ServerCase):
    def test_each_kind_of_movement_is_described(self):
        one, two = self.client.new("100"), self.client.new()
        self.client.deposit(one, "10", reference="gift")
        self.client.withdraw(one, "5", fee="1")
        answer = self.client.transfer(one, two, "20", fee="2", reference="rent")
        items = self.client.history(one, token=answer["token"])["items"]
        keys = ("type", "amount", "fee", "balanceAfter", "description", "reference",
                "counterparty", "eventType", "version")
        self.assertEqual([tuple(item[key] for key in keys) for item in items], [
            ("TRANSFER_OUT", "20.00", "2.00", "82.00", f"Transfer to {two}", "rent", two,
             "MoneyTransferred", 4),
            ("DEBIT", "5.00", "1.00", "104.00", "Withdrawal - N/A", None, None, "MoneyWithdrawn",
             3),
            ("CREDIT", "10.00", "0.00", "110.00", "Deposit - gift", "gift", None,
             "MoneyDeposited", 2),
            ("CREDIT", "100.00", "0.00", "100.00", "Deposit - N/A", None, None, "AccountCreated",
             1)])
        [received] = self.client.history(two, token=answer["token"])["items"]
        self.assertEqual(tuple(received[key] for key in keys),
                         ("TRANSFER_IN", "20.00", "0.00", "20.00", f"Transfer from {one}", "rent",
                          one, "MoneyReceived", 2))
        self.assertEqual(received["transactionId"], items[0]["transactionId"])
        self.assertNotEqual(received["eventId"], items[0]["eventId"])
        self.assertEqual({item["currency"] for item in items}, {"USD"})

    def test_a_type_filters_by_either_of_its_names(self):
        one, two = self.client.new("100"), self.client.new()
        self.client.deposit(one, 1)
        self.client.withdraw(one, 2)
        self.client.transfer(one, two, 3)
        answer = self.client.transfer(two, one, 1)
        for names, amounts in ((("CREDIT", "DEPOSIT"), ["1.00", "100.00"]),
                               (("DEBIT", "WITHDRAW"), ["2.00"]), (("TRANSFER_OUT",), ["3.00"]),
                               (("TRANSFER_IN",), ["1.00"])):
            for name in names:
                page = self.client.history(one, type=name, token=answer["token"])
                self.assertEqual([item["amount"] for item in page["items"]], amounts, name)

    def test_the_newest_comes_first_by_when_it_happened(self):
        account = self.client.new("1", occurredAt="2024-01-01")
        self.client.deposit(account, 2, occurredAt="2024-03-01")
        self.client.deposit(account, 3, occurredAt="2024-02-01")
        answer = self.client.deposit(account, 4, occurredAt="2024-02-01")
        items = self.client.history(account, token=answer["token"])["items"]
        self.assertEqual([item["amount"] for item in items], ["2.00", "4.00", "3.00", "1.00"])


class Statements(ServerCase):
    def test_a_statement_goes_from_balance_to_balance(self):
        one, two = self.client.new("100", occurredAt="2024-01-01"), self.client.new()
        self.client.deposit(one, 10, occurredAt="2024-01-10")
        self.client.withdraw(one, 5, fee=1, occurredAt="2024-01-20")
        self.client.transfer(one, two, 20, fee=2, occurredAt="2024-02-01")
        answer = self.client.deposit(one, "0.50", occurredAt="2024-01-15")
        whole = self.client.get(f"/accounts/{one}/statement", token=answer["token"])
        self.shows(whole, accountId=one, currency="USD", openingBalance="0.00",
                   closingBalance="82.50")
        self.assertEqual([line["balance"] for line in whole["lines"]],
                         ["100.00", "110.00", "110.50", "104.50", "82.50"])
        part = self.client.get(f"/accounts/{one}/statement",
                               **{"from": "2024-01-10", "to": "2024-02-01"})
        self.shows(part, openingBalance="100.00", closingBalance="104.50",
                   **{"from": "2024-01-10T00:00:00.000000Z", "to": "2024-02-01T00:00:00.000000Z"})
        self.assertEqual([line["amount"] for line in part["lines"]], ["10.00", "0.50", "5.00"])
        totals = part["totals"]
        self.assertEqual((totals["credits"], totals["debits"], totals["fees"], totals["count"]),
                         ("10.50", "6.00", "1.00", 3))

    def test_a_period_without_movements_has_no_lines(self):
        account = self.client.new("7", occurredAt="2024-01-01")
        self.client.account(account)
        later = self.client.get(f"/accounts/{account}/statement",
                                **{"from": "2024-05-01", "to": "2024-06-01"})
        self.shows(later, openingBalance="7.00", closingBalance="7.00", lines=[])
        before = self.client.get(f"/accounts/{account}/statement", to="2023-01-01")
        self.shows(before, openingBalance="0.00", closingBalance="0.00", lines=[])


    def test_a_statement_is_a_table_for_those_who_ask_for_one(self):
        account = self.client.new("100", occurredAt="2024-01-01")
        self.client.deposit(account, 10, occurredAt="2024-01-10", reference='=1+1 "x", y')
        answer = self.client.withdraw(account, 5, fee=1, occurredAt="2024-01-20")
        table = self.client.get(f"/accounts/{account}/statement", token=answer["token"],
                                headers={"Accept": "text/csv"})
        self.assertEqual(table.status, 200, table)
        self.assertEqual(table.headers["Content-Type"], "text/csv; charset=utf-8; header=present")
        self.assertEqual(table.headers["Content-Disposition"],
                         f'attachment; filename="statement-{account}.csv"')
        head, *rows = csv.reader(io.StringIO(table.body.decode(), newline=""))
        self.assertEqual(head, ["timestamp", "transactionId", "eventId", "version", "type",
                                "description", "reference", "counterparty", "amount", "fee",
                                "balance", "currency"])
        lines = self.client.get(f"/accounts/{account}/statement")["lines"]
        self.assertEqual(len(rows), 3)
        for row, line in zip(rows, lines):
            cells = dict(zip(head, row))
            for name in ("timestamp", "transactionId", "eventId", "type", "amount", "fee",
                         "balance"):
                self.assertEqual(cells[name], line[name])
            self.assertEqual(cells["currency"], "USD")
        self.assertEqual(rows[1][6], "'" + '=1+1 "x", y')

    def test_a_statement_has_two_forms_and_no_other(self):
        account = self.client.new("1")
        target = f"/accounts/{account}/statement"
        for accept, kind in (("text/csv;q=0.5, application/json", "application/json"),
                             ("text/*", "text/csv"), ("*/*", "application/json")):
            answer = self.client.get(target, headers={"Accept": accept})
            self.assertEqual(answer.headers["Content-Type"].split(";")[0], kind)
        for accept in ("text/html", "application/pdf", "text/csv;q=0"):
            self.refused(self.client.get(target, headers={"Accept": accept}), 406,
                         "not_acceptable")

    def test_a_statement_that_would_begin_in_the_future_is_refused(self):
        account = self.client.new("1")
        target = f"/accounts/{account}/statement"
        self.refused(self.client.get(target, **{"from": ago(days=-1)}), 400, "malformed",
                     pointer="?from")
        self.shows(self.client.get(target, **{"from": ago(days=-1), "to": ago(days=-2)}), lines=[])
        self.refused(self.client.get(target, **{"from": "2024-02-01", "to": "2024-01-01"}), 400,
                     "malformed", pointer="?from")


class Searches(ServerCase):
    def found(self, account, q, **query):
        items, _ = self.client.pages(f"/accounts/{account}/transactions", q=q, **query)
        return [item["amount"] for item in items]

    def filled(self, *references):
        account = self.client.new()
        for number, reference in enumerate(references, 1):
            answer = self.client.deposit(account, number, reference=reference)
        self.assertEqual(self.client.fresh(answer).status, 200)
        self.client.history(account, token=answer["token"])
        return account

    def test_every_word_must_be_there_in_any_order_case_and_accent(self):
        account = self.filled("Rent for January", "Caf\u00e9 Gr\u00fc\u00dfe", "January sales")
        for q, amounts in (("rent", ["1.00"]), ("january", ["3.00", "1.00"]),
                           ("JANUARY rent", ["1.00"]), ("cafe", ["2.00"]),
                           ("CAF\u00c9 gru\u00dfe", ["2.00"]),
                           ("deposit", ["3.00", "2.00", "1.00"]),
                           ("january cafe", []), ("jan", [])):
            self.assertEqual(self.found(account, q), amounts, q)

    def test_quotes_hold_words_together_and_a_star_is_an_open_end(self):
        account = self.filled("red wine and cheese", "wine, red", "redwood")
        for q, amounts in (('"red wine"', ["1.00"]), ('"wine red"', ["2.00"]),
                           ("red wine", ["2.00", "1.00"]), ("red*", ["3.00", "2.00", "1.00"]),
                           ('redw* ', ["3.00"]), ('"red wine', ["1.00"]), ('chee* "red wine"',
                                                                          ["1.00"])):
            self.assertEqual(self.found(account, q), amounts, q)

    def test_no_search_is_an_error_of_the_server(self):
        account = self.filled("a OR b", "NEAR(x y) c:d -e ^f", "it's 50% {off} a+b")
        for q, amounts in (("OR", ["1.00"]), ("a OR b", ["1.00"]), ("NEAR(x", ["2.00"]),
                           ("c:d", ["2.00"]), ("-e ^f", ["2.00"]), ("{off} it's", ["3.00"]),
                           ("a+b", ["3.00"]), ("description:a", []), ("a AND b", []),
                           ("w : x", []), ('a""b', ["3.00", "1.00"]), ("off*}", ["3.00"]),
                           ("50%", ["3.00"]), ("; DROP TABLE x --", []), ("\u2014 off", None)):
            answer = self.client.history(account, q=q)
            self.assertEqual(answer.status, 200, (q, answer))
            if amounts is not None:
                self.assertEqual([item["amount"] for item in answer["items"]], amounts, q)
        for q in ("", " ", "*", '""', "!?", '"', "a" * 257, " ".join("abcdefghijklmnopq")):
            self.refused(self.client.history(account, q=q), 400, "malformed")

    def test_only_the_account_that_is_asked_for_is_searched(self):
        one, two = self.filled("rent"), self.filled("rent", "gift")
        self.assertEqual(self.found(one, "rent"), ["1.00"])
        self.assertEqual(self.found(two, "rent gift"), [])
        self.assertEqual(self.found(two, "gift"), ["2.00"])

    def test_a_counterparty_is_found_by_its_id(self):
        payer, payee = self.client.new("10"), self.client.new()
        answer = self.client.transfer(payer, payee, 3)
        self.client.history(payer, token=answer["token"])
        self.assertEqual(self.found(payer, payee), ["3.00"])
        self.assertEqual(self.found(payee, payer, type="TRANSFER_IN"), ["3.00"])

    def test_pages_of_a_search_neither_repeat_nor_skip(self):
        account = self.filled(*(("even" if number % 2 == 0 else "odd") + " number"
                                for number in range(1, 24)))
        expected = [f"{number}.00" for number in range(22, 0, -2)]
        for limit in (1, 3, 11, 50):
            self.assertEqual(self.found(account, "even", limit=limit), expected)
        page = self.client.history(account, q="even", limit=3)
        self.refused(self.client.history(account, q="odd", cursor=page["next"]), 400, "malformed")


class Days(ServerCase):
    def test_each_day_and_currency_has_its_volume_and_counts_by_type(self):
        one = self.client.new("100", currency="SEK", occurredAt="1998-05-01T23:59:59.999999Z")
        two = self.client.new(currency="SEK", occurredAt="1998-05-02")
        self.client.deposit(one, "10.5", occurredAt="1998-05-02T00:00:00Z")
        self.client.deposit(one, "4", occurredAt="1998-05-02T12:00:00Z")
        self.client.withdraw(one, "5", fee="1", occurredAt="1998-05-02T12:00:00Z")
        answer = self.client.transfer(one, two, "20", fee="2", occurredAt="1998-05-02T23:00:00Z")
        zero = {name: "0.00" for name in ("debitVolume", "transferOutVolume", "transferInVolume",
                                         "fees")}
        none = {name: 0 for name in ("debitCount", "transferOutCount", "transferInCount")}
        report = self.client.get("/reports/daily", currency="SEK", token=answer["token"])
        self.assertEqual(report.status, 200, report)
        self.assertEqual(report["items"], [
            {"day": "1998-05-01", "currency": "SEK", "creditCount": 1, "creditVolume": "100.00",
             "accountsOpened": 1, **zero, **none},
            {"day": "1998-05-02", "currency": "SEK", "creditCount": 2, "creditVolume": "14.50",
             "debitCount": 1, "debitVolume": "5.00", "transferOutCount": 1,
             "transferOutVolume": "20.00", "transferInCount": 1, "transferInVolume": "20.00",
             "fees": "3.00", "accountsOpened": 1}])

    def test_days_are_asked_for_by_period_and_page(self):
        for day in range(1, 6):
            answer = self.client.open(currency="ISK", occurredAt=f"1999-12-0{day}")
        days = self.client.get("/reports/daily", currency="ISK", token=answer["token"],
                               **{"from": "1999-12-02", "to": "1999-12-05"})
        self.assertEqual([item["day"] for item in days["items"]],
                         ["1999-12-02", "1999-12-03", "1999-12-04"])
        items, pages = self.client.pages("/reports/daily", currency="ISK", limit=2)
        self.assertEqual(([item["day"][-1] for item in items], pages),
                         (["1", "2", "3", "4", "5"], 3))

    def test_a_sum_may_be_larger_than_any_account(self):
        for _ in range(3):
            answer = self.client.open(currency="XOF", occurredAt="1997-01-01",
                                      initialDeposit=str(2 ** 63 - 1))
        [day] = self.client.get("/reports/daily", currency="XOF", token=answer["token"])["items"]
        self.assertEqual(day["creditVolume"], str(3 * (2 ** 63 - 1)))

    def test_what_is_no_day_or_no_currency_is_malformed(self):
        for query in ({"from": "1999-12-01T10:00:00Z"}, {"to": "soon"}, {"currency": "usd"},
                      {"from": "1999-12-02", "to": "1999-12-01"}, {"limit": 1001}, {"limit": 0},
                      {"cursor": "x"}, {"day": "1999-12-01"}):
            self.refused(self.client.get("/reports/daily", **query), 400, "malformed")


class Parked(ServerCase):
    def test_an_account_whose_event_cannot_be_applied_says_so_and_holds_up_no_other(self):
        largest = "92233720368547758.07"
        account = self.client.new(largest)
        self.assertEqual(self.client.withdraw(account, largest).status, 200)
        answer = self.client.deposit(account, largest)  # Its total_deposits passes 64 bits.
        self.shows(answer, balance=largest)
        other = self.client.open(initialDeposit="5")
        self.shows(self.client.fresh(other), balance="5.00")
        for target in (f"/accounts/{account}", f"/accounts/{account}/transactions",
                       f"/accounts/{account}/statement"):
            for query in ({}, {"token": answer["token"]}):
                self.refused(self.client.get(target, **query), 503, "parked")
        parked = self.client.get("/v1/projections/account_summaries/parked")["items"]
        [found] = [item for item in parked if item["key"] == account]
        self.assertEqual(found["fromVersion"], answer["version"])
        retried = self.client.post(
            f"/v1/projections/account_summaries/parked/{account}/retry")
        self.refused(retried, 503, "parked")  # What is wrong with it is so still.
        self.shows(self.client.account(account, atVersion=2), balance="0.00")


class TimeTravel(ServerCase):
    def test_an_account_is_shown_at_each_of_its_versions(self):
        account = self.client.new("1")
        for amount in (10, 100):
            self.client.deposit(account, amount)
        for version, balance in ((1, "1.00"), (2, "11.00"), (3, "111.00")):
            self.shows(self.client.account(account, atVersion=version), balance=balance,
                       version=version, transactionCount30days=version)
        self.refused(self.client.account(account, atVersion=4), 404, "version_unknown", version=3)
        self.refused(self.client.account(account, atVersion=0), 404, "version_unknown")
        self.refused(self.client.account("nobody", atVersion=1), 404, "account_unknown")

    def test_an_account_is_shown_as_it_was_recorded_at_a_time(self):
        account = self.client.new("1", occurredAt="2024-01-01")
        between = ago()
        answer = self.client.deposit(account, 10, occurredAt="2024-01-02")
        self.shows(self.client.account(account, atTime=between), balance="1.00", version=1)
        self.shows(self.client.account(account, atTime=ago(seconds=-1)), balance="11.00")
        self.refused(self.client.account(account, atTime="2024-06-01"), 404, "account_unknown")
        self.assertEqual(self.client.account(account, atVersion=2).json["balance"],
                         self.client.fresh(answer)["balance"])

    def test_the_last_version_is_what_the_read_model_shows(self):
        one, two = self.client.new("100"), self.client.new()
        self.client.withdraw(one, 3, fee=1)
        answer = self.client.transfer(one, two, 5)
        self.assertEqual(self.client.account(one, atVersion=3).json,
                         self.client.fresh(answer).json)
