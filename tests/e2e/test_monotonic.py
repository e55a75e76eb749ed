"""No client goes back in time while read models are changed under it; see monotonic.py."""

import unittest

import monotonic
from harness import scale


class Monotonic(unittest.TestCase):
    def test_no_client_goes_back_in_time_while_read_models_are_rebuilt_and_promoted(self):
        self.assertTrue(monotonic.main(max(5.0, 20.0 * scale())))
