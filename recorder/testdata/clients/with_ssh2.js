// ssh2 as its documentation has it used. It knows no certificates: ssh opens the way with
// one, and ssh2 shows the plain key inside.
const { spawn } = require("node:child_process");
const { Duplex } = require("node:stream");
const { Client } = require("ssh2");

const { SSH_AUTH_SOCK, STINT_LOGIN, STINT_HOST_KEY, STINT_SSH_CONFIG } = process.env;
const [what, ...rest] = process.argv.slice(2);

const way = spawn("ssh", ["-F", STINT_SSH_CONFIG, "-W", "db1:22", "stint"], { stdio: ["pipe", "pipe", "inherit"] });
const client = new Client();

function fail(error) {
  if (error) {
    console.error(error);
    process.exit(1);
  }
}

function leave(status) {
  client.once("close", () => process.exit(status));
  client.end();
}

function talk(stream, ended) {
  stream.pipe(process.stdout);
  stream.stderr?.pipe(process.stderr);
  process.stdin.pipe(stream);
  let status = 0;
  stream.on("exit", (code) => (status = code));
  stream.on("close", () => ended(status));
}

const does = {
  command: (command) =>
    client.exec(command, (error, stream) => {
      fail(error);
      talk(stream, leave);
    }),
  put: (from, to) =>
    client.sftp((error, sftp) => {
      fail(error);
      sftp.fastPut(from, to, (error) => {
        fail(error);
        leave(0);
      });
    }),
  get: (from, to) =>
    client.sftp((error, sftp) => {
      fail(error);
      sftp.fastGet(from, to, (error) => {
        fail(error);
        leave(0);
      });
    }),
  pipe: (port) =>
    client.forwardOut("127.0.0.1", 0, "127.0.0.1", Number(port), (error, stream) => {
      fail(error);
      talk(stream, leave);
    }),
};

client.on("ready", () => does[what](...rest));
client.on("error", fail);
client.connect({
  sock: Duplex.from({ readable: way.stdout, writable: way.stdin }),
  username: STINT_LOGIN,
  agent: SSH_AUTH_SOCK,
  hostVerifier: (key) => key.toString("base64") === STINT_HOST_KEY.split(" ")[1],
});
