"""The sample clock is found from times of arrival, late ones included."""

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.amplifiers.dejitter import Dejitter

RATE_HZ = 250.0


def dejittered(
    arrival_s: NDArray[np.float64],
    index: NDArray[np.int64] | None = None,
    rate_hz: float = RATE_HZ,
    find_losses: bool = False,
) -> tuple[NDArray[np.float64], int, Dejitter]:
    """Seed with half a second, then sample by sample, as the driver does."""
    index = np.arange(len(arrival_s)) if index is None else index
    n_seed = round(0.5 * rate_hz)
    dejitter = Dejitter(rate_hz, find_losses)
    times_s = list(dejitter.seed(index[:n_seed], arrival_s[:n_seed]))
    lost = 0
    for k, when_s in zip(index[n_seed:].tolist(), arrival_s[n_seed:].tolist(), strict=True):
        time_s, missing = dejitter.update(k + lost, when_s)
        lost += missing
        times_s.append(time_s)
    return np.array(times_s), lost, dejitter


def clock_and_arrivals(
    seconds: float, rate_error: float = 3e-4, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True times, and arrivals with delays as of a loaded computer: never early, often late."""
    rng = np.random.default_rng(seed)
    true_s = 1000.0 + np.arange(round(seconds * RATE_HZ)) / RATE_HZ * (1.0 + rate_error)
    late_s = rng.exponential(1e-4, len(true_s)) + 2e-3 * (rng.random(len(true_s)) < 0.02)
    return true_s, np.maximum.accumulate(true_s + late_s)


def test_times_are_true_and_even_though_arrivals_are_not() -> None:
    true_s, arrival_s = clock_and_arrivals(30.0)
    times_s, _, dejitter = dejittered(arrival_s)
    assert np.std(np.diff(arrival_s)) > 300e-6
    assert np.max(np.abs(times_s - true_s)) < 30e-6
    steps_s = np.diff(times_s)
    assert np.max(np.abs(steps_s - np.median(steps_s))) < 10e-6
    assert 1.0 / dejitter.period_s == pytest.approx(RATE_HZ / 1.0003, rel=2e-6)


def test_only_the_past_is_used() -> None:
    _, arrival_s = clock_and_arrivals(4.0)
    changed_s = arrival_s.copy()
    changed_s[700:] += 0.5
    first, _, _ = dejittered(arrival_s)
    second, _, _ = dejittered(changed_s)
    assert np.array_equal(first[:700], second[:700])


def test_a_long_stall_leaves_the_times_alone() -> None:
    true_s, arrival_s = clock_and_arrivals(20.0)
    stalled = slice(2000, 2100)
    arrival_s[stalled] = np.maximum(arrival_s[stalled], true_s[2100])
    times_s, _, _ = dejittered(arrival_s)
    assert np.max(np.abs(times_s - true_s)) < 100e-6


def test_a_rate_that_drifts_is_followed() -> None:
    n = round(60.0 * RATE_HZ)
    rate_error = 1e-4 * np.sin(2.0 * np.pi * np.arange(n) / (40.0 * RATE_HZ))
    true_s = np.cumsum((1.0 + rate_error) / RATE_HZ)
    rng = np.random.default_rng(1)
    times_s, _, _ = dejittered(true_s + rng.exponential(1e-4, n))
    assert np.max(np.abs(times_s - true_s)) < 1e-3
    assert np.max(np.abs(np.diff(times_s) * RATE_HZ - 1.0)) < 0.01


def test_times_skip_where_the_index_does() -> None:
    true_s, arrival_s = clock_and_arrivals(10.0)
    kept = np.delete(np.arange(len(true_s)), slice(1000, 1007))
    times_s, _, _ = dejittered(arrival_s[kept], kept)
    assert np.max(np.abs(times_s - true_s[kept])) < 30e-6


def test_a_loss_nobody_numbered_shows_after_a_second_of_lateness() -> None:
    true_s, arrival_s = clock_and_arrivals(10.0)
    kept = np.delete(np.arange(len(true_s)), slice(1000, 1003))
    times_s, lost, _ = dejittered(arrival_s[kept], find_losses=True)
    assert lost == 3
    settled = 1000 + round(2.5 * RATE_HZ)
    assert np.max(np.abs(times_s[settled:] - true_s[kept][settled:])) < 100e-6


def test_lateness_is_no_loss_when_numbers_tell() -> None:
    _, arrival_s = clock_and_arrivals(10.0)
    arrival_s[1000:] += 3.0 / RATE_HZ
    _, lost, _ = dejittered(arrival_s, find_losses=False)
    assert lost == 0


def test_samples_that_come_in_bursts_are_spread_evenly() -> None:
    true_s, _ = clock_and_arrivals(30.0)
    arrival_s = np.ceil(true_s / 0.016) * 0.016  # a serial port that is read every 16 ms
    times_s, _, _ = dejittered(arrival_s)
    assert np.max(np.abs(np.diff(times_s) * RATE_HZ - 1.0)) < 0.02
    assert np.max(np.abs(times_s - true_s)) < 0.016


@pytest.mark.parametrize("seed", range(5))
def test_times_always_go_forward(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrival_s = np.cumsum(rng.exponential(1.0 / RATE_HZ, 5000))  # no clock at all
    times_s, _, _ = dejittered(arrival_s, find_losses=True)
    assert np.all(np.diff(times_s) > 0.0)


@pytest.mark.parametrize("stall_s", [0.03, 0.45])
@pytest.mark.parametrize("at", [130, 1000])
def test_a_board_that_stalls_for_good_is_followed_without_overshoot(
    stall_s: float, at: int
) -> None:
    rng = np.random.default_rng(5)
    k = np.arange(5000)
    true_s = k / RATE_HZ + stall_s * (k >= at)
    arrival_s = true_s + rng.exponential(2e-4, len(k))
    dejitter = Dejitter(RATE_HZ)
    first = 125
    stamps = [*dejitter.seed(k[:first], arrival_s[:first])]
    stamps += [dejitter.update(int(i), float(arrival_s[i]))[0] for i in k[first:]]
    error_s = np.array(stamps) - true_s
    # A second to be sure of the stall, then some for the stamps to go over gently.
    settled = at + int((1.5 + 5.0 * stall_s) * RATE_HZ)
    assert np.abs(error_s[settled:]).max() < 2e-3
    assert error_s.max() < 2e-3
    assert np.diff(stamps).min() > 0.7 / RATE_HZ
    assert dejitter.steps == 1
    assert abs(dejitter.period_s * RATE_HZ - 1.0) < 1e-4


def test_a_line_drawn_too_late_is_put_right_by_the_first_early_block() -> None:
    k = np.arange(3000)
    true_s = k / RATE_HZ
    arrival_s = true_s + 1e-4
    arrival_s[:125] += 0.4
    dejitter = Dejitter(RATE_HZ)
    dejitter.seed(k[:125], arrival_s[:125])
    stamps = np.array([dejitter.update(int(i), float(arrival_s[i]))[0] for i in k[125:]])
    assert np.abs(stamps[1000:] - true_s[1125:]).max() < 1e-3
    assert np.diff(stamps).min() > 0.7 / RATE_HZ
