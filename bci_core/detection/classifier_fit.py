"""Fits a logistic model on causal Morlet power, offline, and says how good it is.

::

    design = SpectralFeatures(channels=("LA1", "LA2"))
    rows = design.measured(chunk, info, at_s)          # one row an event, causal
    model = fit(rows, recalled, design, positive="recalled", source="sub-01_ses-02")
    print(model.figures)                               # AUC and Brier score, held out
    model.save("recalled.json")

The method is that of Ezzyat et al. 2018, Nature Communications 9:365: logarithms of
the power of Morlet wavelets of 5 cycles at 8 frequencies from 3 to 180 Hz, z-scored,
and an L2-penalised logistic regression of whether a word was later recalled. Here the
penalty is chosen by cross-validation, and the probability calibrated with a sigmoid
(Platt 1999) on scores of folds that the model had not seen. Both end up in one weight a
feature.

scikit-learn does the fitting and is an extra (``pip install 'bci[learn]'``). A
model that exists is used without it.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bci_core.detection.classifier_model import ClassifierModel, FitFigures
from bci_core.detection.spectral_features import LEAST_SD, SpectralFeatures
from bci_core.errors import InputError

N_FOLDS = 5
MIN_FOLDS = 3
PENALTIES_C = tuple(float(c) for c in np.logspace(-4.0, 1.0, 11))
"""Inverse strengths of the L2 penalty that are tried."""

_Split = tuple[NDArray[np.intp], NDArray[np.intp]]


def fit(
    rows: ArrayLike,
    labels: ArrayLike,
    design: SpectralFeatures,
    *,
    positive: str,
    source: str,
    groups: ArrayLike | None = None,
    held_out: float | NDArray[np.bool_] = 0.25,
) -> ClassifierModel:
    """Fit, calibrate, and judge on the part kept aside.

    Parameters
    ----------
    rows : array-like, (n_events, n_features)
        Of `SpectralFeatures.measured`, in the order of the events.
    labels : array-like, (n_events,)
        True for positive events.
    design : SpectralFeatures
    positive : str
        What a positive event is.
    source : str
        Names the recordings, for the provenance.
    groups : array-like, (n_events,), optional
        Lists or sessions. Whole groups are kept aside and cross-validated over, so that
        what a group has in common cannot be mistaken for what its labels have.
    held_out : float or ndarray of bool, (n_events,)
        Share of the events, or of the groups, kept aside: the last ones, in the order
        given. Or true for each event that is.

    Returns
    -------
    ClassifierModel
        Fitted on the other part only, so `figures` are figures of this very model.

    Raises
    ------
    InputError
        scikit-learn is missing, sizes do not agree, or there are too few events of a kind.
    """
    x, y = np.asarray(rows, dtype=np.float64), np.asarray(labels, dtype=bool)
    of_group = np.arange(len(y)) if groups is None else _numbered(np.asarray(groups))
    _require_data(x, y, of_group, len(design), held_out)
    trained = _trained(of_group, held_out)
    folds = _folds(y[trained], None if groups is None else of_group[trained])
    _require_both_kinds(y, trained, folds)

    chain = _chain()
    selection = _sklearn("model_selection")
    search = selection.GridSearchCV(
        chain, {"logisticregression__C": PENALTIES_C}, cv=folds, scoring="neg_log_loss"
    )
    search.fit(x[trained], y[trained])
    calibrated = _sklearn("calibration").CalibratedClassifierCV(
        search.best_estimator_, method="sigmoid", cv=folds, ensemble=False
    )
    calibrated.fit(x[trained], y[trained])

    across = selection.cross_val_score(
        search.best_estimator_, x[trained], y[trained], cv=folds, scoring="roc_auc"
    )
    unseen = calibrated.predict_proba(x[~trained])[:, 1]
    base_rate = float(y[trained].mean())
    metrics = _sklearn("metrics")
    figures = FitFigures(
        n_trained=int(trained.sum()),
        n_held_out=int((~trained).sum()),
        base_rate=base_rate,
        auc=float(metrics.roc_auc_score(y[~trained], unseen)),
        brier=float(np.mean((unseen - y[~trained]) ** 2)),
        brier_of_base_rate=float(np.mean((base_rate - y[~trained]) ** 2)),
        auc_cross_validated=float(np.mean(across)),
        penalty_c=float(search.best_params_["logisticregression__C"]),
    )
    return _folded(calibrated, design, positive, figures, source)


def chance_auc(
    rows: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    held_out: ArrayLike,
    penalty_c: float,
    *,
    n_shuffles: int,
    seed: int,
) -> NDArray[np.float64]:
    """AUC that models reach, on the part kept aside, whose labels say nothing.

    Labels change places group by group, within the part to fit on and within the part kept
    aside, and a model is fitted anew each time. Signal and states are both slow, so that
    neighbouring events are alike: shuffled one by one, they would make chance look smaller
    than it is.

    Parameters
    ----------
    rows, labels, held_out
        As in `fit`; `held_out` true for each event that is.
    groups : array-like, (n_events,)
        Events of one label that follow one another.
    penalty_c : float
        Of the model that is compared.
    n_shuffles, seed : int

    Returns
    -------
    ndarray, (n_shuffles,)
    """
    x, y = np.asarray(rows, dtype=np.float64), np.asarray(labels, dtype=bool)
    aside, of_group = np.asarray(held_out, dtype=bool), _numbered(np.asarray(groups))
    label_of = np.zeros(int(of_group.max()) + 1, dtype=bool)
    label_of[of_group] = y
    parts = [np.unique(of_group[part]) for part in (aside, ~aside)]
    rng = np.random.default_rng(seed)
    metrics, chain = _sklearn("metrics"), _chain(penalty_c)
    chances = np.empty(n_shuffles)
    for i in range(n_shuffles):
        shuffled = label_of.copy()
        for part in parts:
            shuffled[part] = rng.permutation(label_of[part])
        changed = shuffled[of_group]
        chain.fit(x[~aside], changed[~aside])
        scores = chain.decision_function(x[aside])
        chances[i] = metrics.roc_auc_score(changed[aside], scores)
    return chances


def _chain(penalty_c: float = 1.0) -> Any:
    regression = _sklearn("linear_model").LogisticRegression(C=penalty_c, max_iter=5000)
    scaler = _sklearn("preprocessing").StandardScaler()
    return _sklearn("pipeline").make_pipeline(scaler, regression)


def _trained(of_group: NDArray[np.intp], held_out: float | NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which events the model is fitted on."""
    if isinstance(held_out, np.ndarray):
        return ~held_out
    n_groups = int(of_group.max()) + 1
    trained: NDArray[np.bool_] = of_group < n_groups - max(1, round(held_out * n_groups))
    return trained


def _sklearn(part: str) -> Any:
    try:
        return import_module(f"sklearn.{part}")
    except ImportError as error:
        raise InputError(
            "fitting a classifier needs scikit-learn: pip install 'bci[learn]'"
        ) from error


def _numbered(groups: NDArray[Any]) -> NDArray[np.intp]:
    """Groups as 0, 1, 2, … in the order they first appear."""
    _, first, of_name = np.unique(groups, return_index=True, return_inverse=True)
    place = np.empty_like(first)
    place[np.argsort(first)] = np.arange(len(first))
    return np.asarray(place[of_name], dtype=np.intp)


def _require_data(
    x: NDArray[np.float64],
    y: NDArray[np.bool_],
    of_group: NDArray[np.intp],
    n_features: int,
    held_out: float | NDArray[np.bool_],
) -> None:
    mistakes = []
    if x.shape != (len(y), n_features):
        mistakes.append(
            f"rows are {x.shape}; {len(y)} labels and a design of {n_features} features want "
            f"({len(y)}, {n_features})"
        )
    if not np.isfinite(x).all():
        mistakes.append("rows have values that are not finite; leave those events out")
    if len(of_group) != len(y):
        mistakes.append(f"{len(of_group)} groups for {len(y)} labels")
    if isinstance(held_out, np.ndarray):
        if held_out.shape != y.shape or held_out.dtype != np.bool_:
            mistakes.append(
                f"held_out is {held_out.shape} of {held_out.dtype} for {len(y)} labels; it is "
                "true or false for each"
            )
    elif not 0.0 < held_out < 1.0:
        mistakes.append(f"held_out is {held_out:g}; it is a share, between 0 and 1")
    if not mistakes and int(of_group.max(initial=0)) < MIN_FOLDS:
        mistakes.append(
            f"{int(of_group.max(initial=-1)) + 1} events or groups are too few; "
            f"{MIN_FOLDS + 1} is the least: one to keep aside, {MIN_FOLDS} to validate across"
        )
    if mistakes:
        raise InputError("cannot fit a classifier: " + "; ".join(mistakes))


def _folds(y: NDArray[np.bool_], of_group: NDArray[np.intp] | None) -> list[_Split]:
    selection = _sklearn("model_selection")
    if of_group is None:
        n_rarer = int(min(y.sum(), (~y).sum()))
        n_folds = max(MIN_FOLDS, min(N_FOLDS, n_rarer))
        if n_rarer < n_folds:
            return []
        return list(selection.StratifiedKFold(n_folds).split(y[:, np.newaxis], y))
    n_folds = min(N_FOLDS, len(np.unique(of_group[y])), len(np.unique(of_group[~y])))
    if n_folds < MIN_FOLDS:
        return []
    # Whole groups, and in each fold as much of both kinds as these allow.
    folds = selection.StratifiedGroupKFold(n_folds)
    return list(folds.split(y[:, np.newaxis], y, of_group))


def _require_both_kinds(
    y: NDArray[np.bool_], trained: NDArray[np.bool_], folds: list[_Split]
) -> None:
    parts = {"the part kept aside": y[~trained], "the part to fit on": y[trained]}
    parts |= {
        f"fold {i} of the part to fit on": y[trained][test] for i, (_, test) in enumerate(folds)
    }
    lacking = [name for name, part in parts.items() if part.all() or not part.any()]
    if not folds or lacking:
        where = ", ".join(lacking) or "the part to fit on"
        raise InputError(
            f"cannot fit a classifier: {where} has not both positive and negative events enough; "
            f"{MIN_FOLDS} of each is the least: add events, or change held_out or the groups"
        )


def _folded(
    calibrated: Any,
    design: SpectralFeatures,
    positive: str,
    figures: FitFigures,
    source: str,
) -> ClassifierModel:
    """Scaler, regression and sigmoid as one weight a feature."""
    (last,) = calibrated.calibrated_classifiers_
    (sigmoid,) = last.calibrators  # 1 / (1 + exp(a * score + b))
    scaler, regression = last.estimator.named_steps.values()
    sd = np.maximum(scaler.scale_, LEAST_SD)
    return ClassifierModel(
        features=design,
        mean=tuple(scaler.mean_.tolist()),
        sd=tuple(sd.tolist()),
        weights=tuple((-sigmoid.a_ * regression.coef_[0] * sd / scaler.scale_).tolist()),
        intercept=float(-sigmoid.a_ * regression.intercept_[0] - sigmoid.b_),
        positive=positive,
        figures=figures,
        provenance={
            "source": source,
            "method": "logistic regression, L2, sigmoid calibration (scikit-learn)",
            "scikit_learn": version("scikit-learn"),
            "bci": version("bci"),
        },
    )
