"""Each error class has the exit code that is promised to programs."""

import inspect

import pytest

from trainwright.core import errors
from trainwright.core.findings import Finding, Severity

# DESIGN, section 3: 0 done, 2 spec, 3 data, 4 checks, 5 training, 6 verification, 7 artifact, 8 resource.
PROMISED = {
    errors.SpecError: (2, "spec"),
    errors.CannotExport: (2, "spec"),
    errors.DataRefused: (3, "data"),
    errors.ChecksFailed: (4, "checks"),
    errors.TrainingFailed: (5, "training"),
    errors.VerificationFailed: (6, "verification"),
    errors.ArtifactRefused: (7, "artifact"),
    errors.ResourceMissing: (8, "resource"),
}


@pytest.mark.parametrize(("error", "promised"), PROMISED.items())
def test_exit_codes_and_kinds(error, promised):
    raised = error("needed X, found Y; do Z")
    assert (raised.exit_code, raised.kind) == promised
    assert str(raised) == raised.message == "needed X, found Y; do Z"
    assert raised.findings == ()


def test_no_error_class_is_forgotten_here():
    ours = {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.TrainwrightError)}
    assert ours - {errors.TrainwrightError, errors.Stopped} == set(PROMISED)


@pytest.mark.parametrize(("by_user", "code"), [(True, 130), (False, 75)])
def test_a_stopped_run_says_who_stopped_it(*, by_user, code):
    assert errors.Stopped("stopped", by_user=by_user).exit_code == code
    assert errors.EXIT_DONE == 0


def test_an_unnamed_failure_is_never_success():
    assert errors.TrainwrightError("x").exit_code == 5


def test_findings_travel_with_the_error():
    finding = Finding(code="a", severity=Severity.ERROR, where="y", what="is missing")
    assert errors.DataRefused("no", findings=[finding]).findings == (finding,)


def test_a_missing_package_names_the_command():
    error = errors.missing_extra("lightgbm", "boost")
    assert error.exit_code == 8
    assert "pip install 'trainwright[boost]'" in str(error)
