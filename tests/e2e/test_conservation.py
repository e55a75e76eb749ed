"""Conservation of money under load and kills; see conservation.py."""

import unittest

import conservation
from harness import scale


class Conservation(unittest.TestCase):
    def test_no_money_is_made_or_lost_while_the_server_is_killed(self):
        self.assertTrue(conservation.main(max(3.0, 20.0 * scale())))
