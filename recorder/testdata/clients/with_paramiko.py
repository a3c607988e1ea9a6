"""paramiko as its documentation has it used; an agent holds the key and its certificate."""

import os
import sys
import threading

import paramiko

client = paramiko.SSHClient()
client.load_host_keys(os.environ["STINT_KNOWN_HOSTS"])
client.set_missing_host_key_policy(paramiko.RejectPolicy())
client.connect(
    os.environ["STINT_HOST"],
    port=int(os.environ["STINT_PORT"]),
    username=os.environ["STINT_USER"],
    look_for_keys=False,
    timeout=60,
    banner_timeout=60,
    auth_timeout=60,
)


def feed(channel):
    channel.sendall(sys.stdin.buffer.read())
    channel.shutdown_write()


def drain(receive, output):
    while data := receive(65536):
        output.write(data)
    output.flush()


def talk(channel):
    threads = [
        threading.Thread(target=feed, args=(channel,)),
        threading.Thread(target=drain, args=(channel.recv, sys.stdout.buffer)),
        threading.Thread(target=drain, args=(channel.recv_stderr, sys.stderr.buffer)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


status = 0
what, *rest = sys.argv[1:]
if what == "command":
    channel = client.get_transport().open_session()
    channel.exec_command(rest[0])
    talk(channel)
    status = channel.recv_exit_status()
elif what == "put":
    client.open_sftp().put(*rest)
elif what == "get":
    client.open_sftp().get(*rest)
elif what == "pipe":
    talk(client.get_transport().open_channel("direct-tcpip", ("127.0.0.1", int(rest[0])), ("127.0.0.1", 0)))
client.close()
sys.exit(status)
