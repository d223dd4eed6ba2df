import subprocess
import sys

import pytest

from bci_core.clock import LslClock, process_age_s

CLOCK = LslClock()
STARTED = """
from bci_core.clock import LslClock, process_age_s
age_s = process_age_s()
print(LslClock().now_s() - age_s)
"""


@pytest.mark.processes
def test_the_age_of_a_process_is_reckoned_from_its_start():
    before_s = CLOCK.now_s()
    told = subprocess.run(
        [sys.executable, "-c", STARTED], capture_output=True, text=True, check=True
    )
    # The kernel counts in hundredths of a second.
    assert before_s - 0.02 <= float(told.stdout) <= CLOCK.now_s()


def test_an_age_grows_as_time_passes():
    times_s = [CLOCK.now_s()]
    age_s = process_age_s()
    times_s.append(CLOCK.now_s())
    CLOCK.sleep_until(times_s[-1] + 0.03)
    times_s.append(CLOCK.now_s())
    grown_s = process_age_s() - age_s
    times_s.append(CLOCK.now_s())
    least_s, most_s = times_s[2] - times_s[1], times_s[3] - times_s[0]
    assert least_s - 1e-6 <= grown_s <= most_s + 1e-6
