"""Clients that hold a certificate and do what no honest one does. paramiko sends what
it is told to, below the protocol's rules.

    hostile.py HOST PORT USER IDENTITY WHAT

It prints "went on" when the connection still works afterwards and "was cut" when it does not."""

import sys
import time

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST, MSG_DEBUG, MSG_GLOBAL_REQUEST, MSG_IGNORE

MIB = 1 << 20
host, port, user, identity, what = sys.argv[1:]

key = paramiko.Ed25519Key.from_private_key_file(identity)
key.load_certificate(identity + "-cert.pub")
transport = paramiko.Transport((host, int(port)))
transport.connect(username=user, pkey=key)


def message(kind, *fields):
    m = paramiko.Message()
    m.add_byte(kind if isinstance(kind, bytes) else bytes([kind]))
    for field in fields:
        if isinstance(field, bool):
            m.add_boolean(field)
        elif isinstance(field, int):
            m.add_int(field)
        else:
            m.add_string(field)
    transport._send_user_message(m)


def deaf():
    """A session whose command the target never reads from and pours into."""
    channel = transport.open_session(window_size=1 << 15)
    channel.exec_command("deaf")
    return channel


def data(channel, size):
    message(MSG_CHANNEL_DATA, channel.remote_chanid, bytes(size))


def flood(kind, *fields):
    for _ in range(32 * MIB // (32 << 10)):
        message(kind, *fields, bytes(32 << 10))


def exchange_keys():
    for _ in range(40):
        transport.renegotiate_keys()


def beyond_the_window():
    channel = deaf()
    for _ in range(64 * MIB // (32 << 10)):
        data(channel, 32 << 10)


def never_reads():
    channels = [deaf() for _ in range(16)]
    time.sleep(3)
    for channel in channels:
        channel.close()


def window_without_end():
    channel = deaf()
    for _ in range(3):
        message(MSG_CHANNEL_WINDOW_ADJUST, channel.remote_chanid, 0xFFFFFFFF)


def requests_without_end():
    channel = transport.open_session()
    for _ in range(5000):
        message(98, channel.remote_chanid, "env", False, "X" * 64, "y" * 1024)


def breaks_a_rule_and_goes_on():
    """What came after the broken rule is still in the proxy's hands when it gives up."""
    transport.open_session()
    message(MSG_CHANNEL_DATA, 4711, b"x")
    for _ in range(500):
        message(MSG_GLOBAL_REQUEST, "nonsense", False)


does = {
    "ignore": lambda: flood(MSG_IGNORE),
    "debug": lambda: flood(MSG_DEBUG, True),
    "unknown": lambda: message(200, b"x"),
    "rekey": exchange_keys,
    "giant packet": lambda: message(MSG_IGNORE, bytes(2 * MIB)),
    "giant data": lambda: data(deaf(), 200 << 10),
    "beyond the window": beyond_the_window,
    "never reads": never_reads,
    "window without end": window_without_end,
    "requests": requests_without_end,
    "broken rule, and more": breaks_a_rule_and_goes_on,
    "data to nowhere": lambda: message(MSG_CHANNEL_DATA, 4711, b"x"),
}

try:
    does[what]()
    channel = transport.open_session(timeout=60)
    channel.exec_command("echo")
    assert channel.recv_exit_status() == 0
    print("went on")
except (paramiko.SSHException, EOFError, OSError, AssertionError) as e:
    print(e, file=sys.stderr)
    print("was cut")
transport.close()
