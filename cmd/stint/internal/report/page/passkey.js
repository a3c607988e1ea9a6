// Passkeys: what an authenticator signed (Web Authentication Level 3, section
// 7.2), and the public keys that the roster pins (COSE, RFC 9052).

// Reads the few forms of CBOR that a COSE key consists of: a map of small
// numbers to numbers and byte strings.
function readCOSE(bytes) {
  let at = 0;
  const head = () => {
    const first = bytes[at++];
    const major = first >> 5;
    let value = first & 31;
    if (value >= 24) {
      const size = { 24: 1, 25: 2, 26: 4 }[value];
      if (!size || at + size > bytes.length) throw new Refused("a passkey's public key cannot be read");
      value = fromBigEndian(bytes.subarray(at, at + size));
      at += size;
    }
    return [major, value];
  };
  const item = () => {
    const [major, value] = head();
    if (major === 0) return value;
    if (major === 1) return -1 - value;
    if (major !== 2 || at + value > bytes.length) throw new Refused("a passkey's public key cannot be read");
    at += value;
    return bytes.subarray(at - value, at);
  };
  const [major, pairs] = head();
  const map = new Map();
  for (let i = 0; major === 5 && i < pairs; i++) map.set(item(), item());
  if (major !== 5 || at !== bytes.length) throw new Refused("a passkey's public key cannot be read");
  return map;
}

// Whether a passkey signed a message: ES256, EdDSA or RS256.
async function isSignedByPasskey(publicKey, signature, message) {
  const cose = readCOSE(fromBase64URL(publicKey, "a passkey's public key"));
  switch (`${cose.get(1)} ${cose.get(3)}`) {
    case "2 -7": {
      const point = concat(new Uint8Array([4]), cose.get(-2), cose.get(-3));
      return verifyP256(point, fromDER(signature), message);
    }
    case "1 -8":
      return verifyEd25519(cose.get(-2), signature, message);
    case "3 -257": {
      const key = { kty: "RSA", n: toBase64URL(cose.get(-1)), e: toBase64URL(cose.get(-2)) };
      return verifySignature("jwk", key, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, signature, message);
    }
    default:
      throw new Refused("a passkey's algorithm is none of ES256, EdDSA and RS256");
  }
}

// Refuses unless this passkey signed exactly this text, asked by a page of the
// installation, with its user there and verified. An anchor without origins takes
// any page of the relying party.
async function checkAssertion(assertion, statement, passkey, anchor) {
  if (assertion.credential !== passkey.credential) throw new Refused("it is by another passkey");
  const client = fromBase64URL(assertion.client_data, "the client data");
  const data = fromBase64URL(assertion.authenticator_data, "the authenticator data");
  const asked = JSON.parse(fromUTF8(client));
  if (asked.type !== "webauthn.get") throw new Refused("the passkey was not asked for an assertion");
  if (asked.challenge !== toBase64URL(await sha256(utf8(statement)))) {
    throw new Refused("the passkey signed something other than this text");
  }
  if (anchor.origins && !anchor.origins.includes(asked.origin)) throw new Refused("the passkey was asked by another page");
  if (asked.crossOrigin || "topOrigin" in asked) throw new Refused("the passkey was asked inside another site's page");
  if (data.length < 37 || !equal(data.subarray(0, 32), await sha256(utf8(anchor.relying_party)))) {
    throw new Refused("the passkey answered another relying party");
  }
  if ((data[32] & 1) === 0) throw new Refused("nobody touched the passkey");
  if ((data[32] & 4) === 0) throw new Refused("the passkey did not verify its user");
  const signature = fromBase64URL(assertion.signature, "the signature");
  const message = concat(data, await sha256(client));
  if (!(await isSignedByPasskey(passkey.public_key, signature, message))) {
    throw new Refused("the passkey did not sign this");
  }
}
