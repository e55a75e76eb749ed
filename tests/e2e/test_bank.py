"""The bank: every call, every rule, every figure of the read models."""

import datetime
import unittest

from harness import Server


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.close()


def ago(**delta):
    time = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**delta)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class BankCase(unittest.TestCase):
    def setUp(self):
        self.client = server.client()

    def tearDown(self):
        self.client.close()

    def refused(self, answer, status, code, **members):
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        for name, value in members.items():
            self.assertEqual(answer[name], value, answer)

    def shows(self, answer, **members):
        self.assertEqual(answer.status, 200, answer)
        for name, value in members.items():
            self.assertEqual(answer[name], value, (name, answer))


class Opening(BankCase):
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


class Moving(BankCase):
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


class Closing(BankCase):
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


class Summaries(BankCase):
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


class Histories(BankCase):
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


class Statements(BankCase):
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


class TimeTravel(BankCase):
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
