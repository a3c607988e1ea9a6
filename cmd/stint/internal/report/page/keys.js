// The keys of machines: login keys and session keys, certificates of OpenSSH, and
// the identity provider's tokens.

// Reads fields that stand behind their length in four bytes.
function sshFields(bytes) {
  let at = 0;
  return {
    take(size) {
      if (at + size > bytes.length) throw new Refused("a key or certificate is cut short");
      at += size;
      return bytes.subarray(at - size, at);
    },
    field() {
      return this.take(fromBigEndian(this.take(4)));
    },
    number(size) {
      return fromBigEndian(this.take(size));
    },
    get read() {
      return at;
    },
  };
}

const keyBytes = (text) => fromBase64(text.split(" ")[1] ?? "", "a key");

// Whether verifiers take what a key of the signer's signed at a moment: a retired one for as long as what it signed may last.
const isAccepted = ({ state, accepted }, time) =>
  state === "current" || state === "next" || (state === "retired" && Boolean(accepted) && Date.parse(time) < Date.parse(accepted));

// Whether an SSH key, as it travels, made a signature in the form of its kind.
async function isSignedBySSHKey(key, signature, message) {
  const parts = sshFields(key);
  const kind = fromUTF8(parts.field());
  if (kind === "ssh-ed25519") return verifyEd25519(parts.field(), signature, message);
  if (kind !== "ecdsa-sha2-nistp256") throw new Refused(`a key is of the kind ${kind}`);
  parts.field();
  const numbers = sshFields(signature);
  const sized = (bytes) => {
    const number = bytes.length > 32 && bytes[0] === 0 ? bytes.subarray(1) : bytes;
    if (number.length > 32) throw new Refused("a signature is not in its form");
    return concat(new Uint8Array(32 - number.length), number);
  };
  const both = concat(sized(numbers.field()), sized(numbers.field()));
  return verifyP256(parts.field(), both, message);
}

async function isSignedByLoginKey(signed, loginKey) {
  const parts = sshFields(keyBytes(loginKey));
  if (fromUTF8(parts.field()) !== "ssh-ed25519") throw new Refused("a login key is of another kind");
  return verifyEd25519(parts.field(), fromBase64URL(signed.signature, "a signature"), utf8(signed.statement));
}

// Reads an Ed25519 user certificate (OpenSSH PROTOCOL.certkeys).
function readCertificate(text) {
  const bytes = keyBytes(text);
  const f = sshFields(bytes);
  if (fromUTF8(f.field()) !== "ssh-ed25519-cert-v01@openssh.com") throw new Refused("a certificate is of another kind");
  f.field(); // the nonce
  const key = f.field();
  const serial = f.number(8);
  const kind = f.number(4);
  const id = fromUTF8(f.field());
  const principals = f.field();
  const begins = f.number(8);
  const ends = f.number(8);
  const options = f.field().length > 0; // critical ones, of which the signer gives none
  f.field(); // extensions
  f.field(); // reserved
  const authority = f.field();
  const signed = bytes.subarray(0, f.read);
  const signature = sshFields(f.field());
  signature.field();
  if (f.read !== bytes.length) throw new Refused("a certificate has something behind its end");
  const names = sshFields(principals);
  const first = principals.length ? fromUTF8(names.field()) : "";
  return {
    key: `ssh-ed25519 ${toBase64(concat(bigEndian(11, 4), utf8("ssh-ed25519"), bigEndian(32, 4), key))}`,
    serial, kind, id, begins, ends, options, authority, signed,
    principal: names.read === principals.length ? first : "",
    signature: signature.field(),
  };
}

const tokenAlgorithms = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  RS384: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384" },
  RS512: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" },
  PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
  PS384: { name: "RSA-PSS", hash: "SHA-384", saltLength: 48 },
  PS512: { name: "RSA-PSS", hash: "SHA-512", saltLength: 64 },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  ES384: { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" },
  ES512: { name: "ECDSA", namedCurve: "P-521", hash: "SHA-512" },
  EdDSA: { name: "Ed25519" },
};

// The claims of an ID token that one of the provider's keys in the ledger signed.
async function readIDToken(token, keys, anchor) {
  const parts = token.split(".");
  if (parts.length !== 3) throw new Refused("the ID token is not a signed one");
  const head = JSON.parse(fromUTF8(fromBase64URL(parts[0], "the ID token")));
  const algorithm = tokenAlgorithms[head.alg];
  if (!algorithm) throw new Refused("the ID token is of an algorithm that does not count");
  const signature = fromBase64URL(parts[2], "the ID token");
  for (const { jwk } of keys) {
    const { kty, kid, n, e, crv, x, y } = JSON.parse(jwk);
    const family = { R: "RSA", P: "RSA", E: head.alg === "EdDSA" ? "OKP" : "EC" }[head.alg[0]];
    if (kty !== family || (head.kid && kid !== head.kid)) continue;
    const key = Object.fromEntries(Object.entries({ kty, n, e, crv, x, y }).filter(([, v]) => v !== undefined));
    if (!(await verifySignature("jwk", key, algorithm, signature, utf8(`${parts[0]}.${parts[1]}`)))) continue;
    const claims = JSON.parse(fromUTF8(fromBase64URL(parts[1], "the ID token")));
    const audience = [claims.aud].flat();
    if (claims.iss !== anchor.issuer.url || audience.length !== 1 || audience[0] !== anchor.issuer.client_id) {
      throw new Refused("the ID token is by another provider, or for another client");
    }
    return claims;
  }
  throw new Refused("no key of the identity provider in the ledger signed the ID token");
}

// What an ID token's nonce commits to: a login key and a salt.
async function loginNonce(loginKey, salt) {
  const sized = (bytes) => concat(bigEndian(bytes.length, 4), bytes);
  const parts = [utf8("stint login nonce 1"), keyBytes(loginKey), fromBase64URL(salt, "the salt")].map(sized);
  return toBase64URL(await sha256(concat(...parts)));
}
