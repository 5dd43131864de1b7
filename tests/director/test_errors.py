import pickle

import pytest

from director.errors import DirectorError, did_you_mean
from executions.errors import FileNotWritten
from records.errors import BulkGrown, RecordChanged


class TestFacts:
    def test_a_leaf_takes_its_facts_and_tells_them(self):
        error = RecordChanged("email_001", expected=2, revision=3)

        assert "email_001 is at revision 3, you meant revision 2" in str(error)
        assert error.args == ("email_001", 2, 3)

    def test_facts_that_a_base_declares_come_first(self):
        error = BulkGrown(10, 1_200)

        assert str(error).startswith("1,200 records match by now, not 10.")
        assert isinstance(error, DirectorError)

    def test_a_missing_fact_is_refused(self):
        with pytest.raises(TypeError, match="revision"):
            RecordChanged("email_001", 2)

    @pytest.mark.parametrize(
        "error", [RecordChanged("a", expected=1, revision=2), FileNotWritten("a.csv", "it is gone")]
    )
    def test_an_error_comes_back_from_a_pickle_as_it_was(self, error: DirectorError):
        back = pickle.loads(pickle.dumps(error))

        assert (type(back), vars(back), str(back)) == (type(error), vars(error), str(error))


def test_only_a_near_word_is_proposed():
    assert did_you_mean("clasify", ["classify", "send"]) == ' Did you mean "classify"?'
    assert did_you_mean("x", ["classify", "send"]) == ""
