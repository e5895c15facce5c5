import errno

import pytest
import tensorflow as tf

from adafilter_tf.files import full_disk


def test_full_disk_is_an_error_of_the_system(tmp_path):
    text = "part-00000-of-00001; No space left on device [Op:SaveV2]"
    with pytest.raises(OSError, match="No space left") as caught:
        with full_disk.report(tmp_path):
            raise tf.errors.ResourceExhaustedError(None, None, text)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path)


def test_memory_that_is_full_stays_what_it_is(tmp_path):
    with pytest.raises(tf.errors.ResourceExhaustedError), full_disk.report(tmp_path):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
