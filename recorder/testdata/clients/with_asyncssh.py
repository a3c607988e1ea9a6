"""asyncssh as its documentation has it used; an agent holds the key.

Of a certificate that the agent lists, asyncssh 2.10 names the wrong algorithm; so it is given
the plain key of the agent, and the certificate from its file.
"""

import asyncio
import os
import sys

import asyncssh


async def main(what, *rest):
    agent = await asyncssh.connect_agent(os.environ["SSH_AUTH_SOCK"])
    plain = next(key for key in await agent.get_keys() if key.algorithm == b"ssh-ed25519")
    async with asyncssh.connect(
        os.environ["STINT_HOST"],
        port=int(os.environ["STINT_PORT"]),
        username=os.environ["STINT_USER"],
        client_keys=[(plain, os.environ["STINT_CERTIFICATE"])],
        agent_path=None,
        known_hosts=os.environ["STINT_KNOWN_HOSTS"],
        config=None,
    ) as connection:
        if what == "command":
            done = await connection.run(rest[0], input=sys.stdin.buffer.read(), encoding=None)
            sys.stdout.buffer.write(done.stdout)
            sys.stderr.buffer.write(done.stderr)
            return done.exit_status
        if what == "pipe":
            reader, writer = await connection.open_connection("127.0.0.1", int(rest[0]))

            async def feed():
                writer.write(sys.stdin.buffer.read())
                await writer.drain()
                writer.write_eof()

            feeding = asyncio.create_task(feed())
            sys.stdout.buffer.write(await reader.read())
            await feeding
            return 0
        async with connection.start_sftp_client() as sftp:
            await (sftp.put if what == "put" else sftp.get)(*rest)
    return 0


sys.exit(asyncio.run(main(*sys.argv[1:])))
