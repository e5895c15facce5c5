import socket

import pytest

from adafilter_tf import errors
from adafilter_tf.serving import server


def test_port_in_use_is_named():
    with server.bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert server.url_of(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(errors.RunError) as caught:
            server.bind("127.0.0.1", port)
    assert str(caught.value) == (
        f"--port={port} of 127.0.0.1 is in use: choose another one, or end the program "
        "that has it."
    )


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("192.0.2.1", "Cannot assign requested address"),  # of documentation alone
        ("no such name", ""),
        ("a" * 70, ""),
    ],
)
def test_host_that_is_not_of_this_machine_is_named(host, reason):
    with pytest.raises(errors.RunError) as caught:
        server.bind(host, 0)
    assert host in str(caught.value) and reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_url_of_an_ipv6_address_has_brackets():
    try:
        listener = server.bind("::1", 0)
    except errors.RunError:
        pytest.skip("this machine has no ::1")
    with listener:
        assert server.url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_missing_package_is_named_with_its_extra():
    server.check_installed("serve", ("json",))
    with pytest.raises(errors.RunError) as caught:
        server.check_installed("serve", ("json", "no_such_package"))
    assert str(caught.value) == (
        "--mode=serve needs no_such_package: pip install 'adafilter_tf[serve]', or pip "
        "install json no_such_package."
    )
