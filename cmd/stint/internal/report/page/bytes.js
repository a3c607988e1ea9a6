// Bytes, their encodings, and the two ways in which a check can end without a
// yes: what was checked is wrong, or this browser cannot tell.

class Refused extends Error {}
class Unable extends Error {}

const utf8 = (text) => new TextEncoder().encode(text);
const fromUTF8 = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const toHex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const toBase64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
const toBase64URL = (bytes) => toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function concat(...parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function equal(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

// Only the one spelling of some bytes is read: what is encoded again is the same.
function fromBase64(text, what) {
  try {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    if (toBase64(bytes) === text) return bytes;
  } catch {
    // told below
  }
  throw new Refused(`${what} is not base64`);
}

function fromBase64URL(text, what) {
  const bytes = fromBase64(
    text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (text.length % 4)) % 4),
    what,
  );
  if (toBase64URL(bytes) !== text) throw new Refused(`${what} is not base64url`);
  return bytes;
}

// A number of so many bytes, big end first.
function bigEndian(number, size) {
  const bytes = new Uint8Array(size);
  for (let i = size - 1; i >= 0; i--) {
    bytes[i] = number % 256;
    number = Math.floor(number / 256);
  }
  return bytes;
}

function fromBigEndian(bytes) {
  return bytes.reduce((n, b) => n * 256 + b, 0);
}

// A signature by a key of one of the kinds that WebCrypto knows. A browser that
// lacks the algorithm leaves the check undone; it never counts as done.
async function verifySignature(format, key, algorithm, signature, message) {
  let imported;
  try {
    imported = await crypto.subtle.importKey(format, key, algorithm, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") throw new Unable(`this browser cannot check ${algorithm.name ?? algorithm} signatures`);
    throw new Refused("a public key cannot be read");
  }
  return crypto.subtle.verify(algorithm, imported, signature, message);
}

async function verifyEd25519(key, signature, message) {
  if (key.length !== 32 || signature.length !== 64) return false;
  return verifySignature("raw", key, { name: "Ed25519" }, signature, message);
}

// ECDSA signatures travel as two numbers in ASN.1; WebCrypto wants them side by side.
function fromDER(der) {
  const number = (at) => {
    const size = der[at + 1];
    let bytes = der.subarray(at + 2, at + 2 + size);
    if (der[at] !== 2 || size < 1 || size > 33 || bytes.length !== size) throw new Refused("a signature is not in its form");
    while (bytes.length > 32 && bytes[0] === 0) bytes = bytes.subarray(1);
    if (bytes.length > 32) throw new Refused("a signature is not in its form");
    return [concat(new Uint8Array(32 - bytes.length), bytes), at + 2 + size];
  };
  if (der[0] !== 0x30 || der[1] !== der.length - 2) throw new Refused("a signature is not in its form");
  const [r, next] = number(2);
  const [s, end] = number(next);
  if (end !== der.length) throw new Refused("a signature is not in its form");
  return concat(r, s);
}

async function verifyP256(point, signature, message) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  return verifySignature("raw", point, algorithm, signature, message);
}
