// The signer's ledger: checkpoints (C2SP tlog-checkpoint in signed-note) and the
// Merkle tree of RFC 6962.

// A verifier key of a signed note: name+hash+base64 of a kind and an Ed25519 key.
async function readVerifierKey(text) {
  const [name, hash, ...rest] = text.split("+");
  const data = fromBase64(rest.join("+"), "a verifier key");
  const id = (await sha256(concat(utf8(`${name}\n`), data))).subarray(0, 4);
  if (toHex(id) !== hash || data.length !== 33) throw new Refused(`the verifier key of ${name} contradicts itself`);
  return { name, id, kind: data[0], key: data.subarray(1) };
}

// The signature lines of a note stand behind an empty line; the text ends with a
// line feed of its own.
function splitNote(note) {
  const at = note.lastIndexOf("\n\n");
  if (at < 0 || !note.endsWith("\n")) throw new Refused("the checkpoint is not a signed note");
  const signatures = note.slice(at + 2, -1).split("\n").map((line) => {
    const match = /^\u2014 (\S+) (\S+)$/.exec(line);
    if (!match) throw new Refused("the checkpoint has a line that is no signature");
    const bytes = fromBase64(match[2], "a signature of the checkpoint");
    return { name: match[1], id: bytes.subarray(0, 4), bytes: bytes.subarray(4) };
  });
  return { text: note.slice(0, at + 1), signatures };
}

async function isSignedBy(note, verifier) {
  for (const s of note.signatures) {
    if (s.name !== verifier.name || !equal(s.id, verifier.id)) continue;
    if (verifier.kind === 1) return verifyEd25519(verifier.key, s.bytes, utf8(note.text));
    // cosignature/v1: a witness signs the time besides.
    if (verifier.kind !== 4 || s.bytes.length !== 72) return false;
    const time = fromBigEndian(s.bytes.subarray(0, 8));
    return verifyEd25519(verifier.key, s.bytes.subarray(8), utf8(`cosignature/v1\ntime ${time}\n${note.text}`));
  }
  return false;
}

async function openCheckpoint(text, logKey) {
  const note = splitNote(text);
  const verifier = await readVerifierKey(logKey);
  if (verifier.kind !== 1 || !(await isSignedBy(note, verifier))) {
    throw new Refused("the checkpoint is not signed by the log's key");
  }
  const lines = note.text.split("\n");
  if (lines.length !== 4 || lines[0] !== verifier.name || !/^(0|[1-9][0-9]{0,14})$/.test(lines[1])) {
    throw new Refused("the checkpoint is of another log or form");
  }
  return { note, origin: lines[0], size: Number(lines[1]), root: fromBase64(lines[2], "the root") };
}

const leafHash = (text) => sha256(concat(new Uint8Array([0]), utf8(text)));
const nodeHash = (left, right) => sha256(concat(new Uint8Array([1]), left, right));

// Whether an audit path leads from a leaf to the root (RFC 9162, section 2.1.3.2).
async function isIncluded(leaf, index, path, checkpoint) {
  if (!Number.isSafeInteger(index) || index < 0 || index >= checkpoint.size) return false;
  let at = index;
  let last = checkpoint.size - 1;
  let hash = leaf;
  const half = (n) => Math.floor(n / 2);
  for (const sibling of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = await nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      hash = await nodeHash(hash, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && equal(hash, checkpoint.root);
}
